"""What a model must do that needs no reference: agree with itself.

Engines have shipped that compute the rows of a batch differently, that remember the image before,
or that turn to NaN on a black frame. Each check has a name, and says what it saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scunext_edge.errors import EngineError
from scunext_edge.runtime.runner import Runner, infer
from scunext_edge.spec import Array

Images = npt.NDArray[np.uint8]  # [N, S, S, 3]
Logits = npt.NDArray[np.float32]  # [N, 1, S, S]
Open = Callable[[], Runner]

# Batches of other sizes may take other kernels, which add up in another order. In INT8 a last bit
# can move a quantized value by a step, so there what counts is the share of pixels that flip.
_MOST_APART = {"fp32": 1e-3, "tf32": 2e-2}
_MOST_FLIPPED = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one question."""

    name: str
    passed: bool
    message: str  # what was seen

    def to_json(self) -> dict[str, Any]:
        """For a record."""
        return asdict(self)


def examine(open_runner: Open, images: Images, *, precision: str) -> list[Answer]:
    """All checks, each by itself: one that raises an error of an engine has failed.

    ``images``: at least three different ones, at the network's size.
    """
    if len(images) < 3:
        raise ValueError("self-consistency needs three images")
    runner = open_runner()
    try:
        checks = [
            _asked("duplicate rows", lambda: _duplicate_rows(runner, images)),
            _asked("batch against single", lambda: _batches(runner, images, precision)),
            _asked("repeat after others", lambda: _repeats(runner, images)),
            _asked("constant images", lambda: _constants(runner, images)),
            _asked("denormal numbers", lambda: _denormals(runner, images)),
            _asked("NaN and wrong shapes", lambda: _refusals(runner, images)),
            _asked("opened again", lambda: _reopened(open_runner, runner, images)),
        ]
    finally:
        runner.close()
    return checks


def _asked(name: str, ask: Callable[[], str | None]) -> Answer:
    """``ask`` returns what is wrong, or None."""
    try:
        wrong = ask()
    except EngineError as error:
        wrong = str(error)
    return Answer(name=name, passed=wrong is None, message=wrong or "as it should be")


def _run(runner: Runner, images: Images) -> Logits:
    logits = _raw(runner, images)
    if not np.isfinite(logits).all():  # NaN > 0 is false: it would read as background
        raise EngineError("logits that are infinite or not a number")
    return logits


def _raw(runner: Runner, images: Images) -> Logits:
    logits: Logits = infer(runner, {"image": images})["logits"]
    if logits.shape != (len(images), 1, *images.shape[1:3]):
        raise EngineError(f"logits of shape {logits.shape} for images of shape {images.shape}")
    return logits


def _duplicate_rows(runner: Runner, images: Images) -> str | None:
    rows = _run(runner, images[[0, 1, 0, 0]])
    unlike = [row for row in (2, 3) if not _same(rows[row], rows[0])]
    if unlike:
        return f"row {unlike[0]} of a batch differs from row 0, the same image, by " + _apart(
            rows[unlike[0]], rows[0]
        )
    return None


def _batches(runner: Runner, images: Images, precision: str) -> str | None:
    together = _run(runner, images)
    alone = np.concatenate([_run(runner, images[row : row + 1]) for row in range(len(images))])
    most = _MOST_APART.get(precision)
    for row in range(len(images)):
        apart = float(np.abs(together[row] - alone[row]).max())
        flipped = float(((together[row] > 0) != (alone[row] > 0)).mean())
        if (most is not None and not apart <= most) or not flipped <= _MOST_FLIPPED:
            return f"row {row} of a batch of {len(images)} differs from the image alone by " + (
                _apart(together[row], alone[row])
            )
    return None


def _repeats(runner: Runner, images: Images) -> str | None:
    _run(runner, images[1:2])
    first = _run(runner, images[:1])
    for row in range(2, len(images)):  # ends with another image than the one before
        _run(runner, images[row : row + 1])
    again = _run(runner, images[:1])
    if _same(first, again):
        return None
    return f"an image gives other logits after other images: {_apart(first, again)}"


def _constants(runner: Runner, images: Images) -> str | None:
    before = _run(runner, images[:1])
    for name, image in constant_images(images.shape[1]).items():
        logits = _raw(runner, image[None])
        if not np.isfinite(logits).all():
            return f"a {name} image gives logits that are infinite or not a number"
    after = _run(runner, images[:1])
    if _same(before, after):
        return None
    return f"an image gives other logits after constant ones: {_apart(before, after)}"


def constant_images(size: int) -> dict[str, Images]:
    """uint8 [size, size, 3] each: what a covered lens, a lamp or a broken cable gives."""
    black = np.zeros((size, size, 3), np.uint8)
    lit = black.copy()
    lit[size // 2, size // 2] = 255
    board = np.indices((size, size)).sum(0) % 2 * 255
    return {
        "black": black,
        "white": np.full_like(black, 255),
        "gray": np.full_like(black, 128),
        "red": black + np.array([255, 0, 0], np.uint8),
        "one lit pixel": lit,
        "checkered": np.repeat(board[..., None], 3, -1).astype(np.uint8),
    }


def _denormals(runner: Runner, images: Images) -> str | None:
    """An engine that leaves flush-to-zero on changes every calculation after it."""
    smallest = np.float32(1e-45)
    _run(runner, images[:1])
    if np.float32(smallest * np.float32(1)) != smallest or smallest + smallest == 0:
        return "the engine leaves the processor flushing denormal numbers to zero"
    return None


def _refusals(runner: Runner, images: Images) -> str | None:
    nan = np.full(images[:1].shape, np.nan, np.float32)
    wrong: dict[str, Array] = {"an image of NaN": nan, "half an image": images[:1, ::2, ::2]}
    for name, image in wrong.items():
        try:
            infer(runner, {"image": image})
        except ValueError:
            continue
        return f"{name} is taken for an image"
    return None


def _reopened(open_runner: Open, runner: Runner, images: Images) -> str | None:
    first, other = _run(runner, images[:1]), open_runner()
    try:
        again = _run(other, images[:1])
    finally:
        other.close()
    if _same(first, again):
        return None
    return f"opened a second time, it gives other logits: {_apart(first, again)}"


def _same(one: Logits, other: Logits) -> bool:
    return bool(np.array_equal(one, other))


def _apart(one: Logits, other: Logits) -> str:
    flipped = float(((one > 0) != (other > 0)).mean())
    return f"up to {np.abs(one - other).max():.3g} (logits), {flipped:.3%} of the pixels flip"
