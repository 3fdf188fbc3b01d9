"""The ladder: all layers in INT8; the same tuned, if asked for; then the costly ones in float, as
few as the bound needs; FP16.

Layers are ranked by the Dice that each costs when it alone is quantized, on validation images. A
rung is one Q/DQ file, exported, scored per image and timed like any row of a benchmark.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.artifacts import CARD, Artifact, left_out, load
from scunext_edge.benchmarks.schedule import Case, run_cases
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.data.calibration import open_calibration
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source, calibration_images
from scunext_edge.errors import BackendUnavailable, EngineError, ExportError
from scunext_edge.evaluation.evaluate import evaluate
from scunext_edge.evaluation.gate import paired_drop
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.export import parity
from scunext_edge.export.forwards import onnx_forward
from scunext_edge.export.mixed import keep_float, quantized_layers
from scunext_edge.export.to_fp16 import to_fp16
from scunext_edge.export.to_int8 import to_int8
from scunext_edge.export.to_openvino import Bound, to_openvino_nncf
from scunext_edge.export.writing import MODEL, proofs, write
from scunext_edge.pipeline.quantize.page import to_markdown
from scunext_edge.pipeline.quantize.record import NNCF, QAT, Search, Step, resumed
from scunext_edge.pipeline.quantize.settings import Settings
from scunext_edge.pipeline.quantize.tuned import tuned
from scunext_edge.progress import Advance
from scunext_edge.runtime.registry import version_here
from scunext_edge.storage import write_text

RANKER = "scunext_edge.evaluation.quick_worker"
_TOGETHER = 8  # artifacts that one process ranks; what it found is kept when the next is stopped
_SUITE = Suite(name="ladder", rounds=3, warmup=10, values=40, memory=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found; ``artifact`` is the best rung, passed or not."""

    search: Search
    artifact: Artifact | None

    @property
    def exit_code(self) -> int:
        """0 where the bound holds."""
        return 0 if self.search.outcome == "reached" else 1


def quantize(
    settings: Settings,
    *,
    advance: Advance = lambda what, done, of: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Walk the ladder within the budget; what is in ``out`` from an earlier call is not done again.

    ``out`` gets ``quantize.json``, ``quantize.md``, ``artifacts/`` and ``records/``.
    """
    walk = _Walk(settings, advance, clock)
    try:
        walk.climb()
    finally:
        walk.keep()
    search = walk.search
    best = search.step(search.best) if search.best else None
    return Outcome(search=search, artifact=load(settings.out / best.artifact) if best else None)


def _best(passed: Sequence[Step], steps: Sequence[Step]) -> str | None:
    """The rung with most INT8 that passed; else the one that comes nearest."""
    int8 = [step for step in passed if step.name != "fp16"]
    if int8 or passed:
        return min(int8 or passed, key=lambda step: len(step.float_layers)).name
    ladder = [step for step in steps if step.name != NNCF]
    nearest = min(ladder, key=lambda step: step.upper, default=None)
    return nearest.name if nearest else None


class _OutOfTime(Exception):
    """The budget is used up: not an error, an outcome."""


class _Walk:
    """One call: what it works on, and the search that grows."""

    def __init__(self, settings: Settings, advance: Advance, clock: Callable[[], float]) -> None:
        self.settings, self.advance, self.clock = settings, advance, clock
        self.began = clock()
        self.source = Source(folder=str(settings.data), part=settings.part)
        self.dataset: Dataset = self.source.open()
        images, self.screening = open_calibration(calibration_images(settings.data))
        away = left_out(settings.parent.card)
        self.images = images.subset([name for name in images.ids if name not in away])
        self.version = version_here(settings.backend)
        self.search = resumed(settings.out, self._about(), settings.max_drop)
        self.original = settings.parent.file(".onnx").read_bytes()

    def climb(self) -> None:
        """Until a rung passes, then back to the lowest one that does."""
        self.search.outcome = None
        try:
            self._ladder()
            ended = "not reached"
            if self.settings.nncf:
                self._beside()
        except _OutOfTime:
            ended = "out of time"
        passed = self.search.passed
        self.search.outcome = "reached" if passed else ended
        self.search.best = _best(passed, self.search.steps)

    def keep(self) -> None:
        """Record and page, at any end."""
        self.search.spent_s += self.clock() - self.began
        self.began = self.clock()
        self.search.save(self.settings.out, self.settings.command)
        write_text(self.settings.out / "quantize.md", to_markdown(self.search))

    def _ladder(self) -> None:
        if self._rung(()) or self._tuned():
            return
        ranked = self._ranked()
        failed, count = 0, 1
        while count < len(ranked) and not self._rung(ranked[:count]):
            failed, count = count, 2 * count
        count = min(count, len(ranked))  # all of them in float are the parent
        while count - failed > 1:  # the fewest layers in float for which the bound holds
            middle = (failed + count) // 2
            if self._rung(ranked[:middle]):
                count = middle
            else:
                failed = middle
        if not self.search.passed:
            self._half()

    def _beside(self) -> None:
        """The same bound by NNCF's own search."""
        bound = Bound(max_drop=max(self.settings.max_drop, 0), validation=self.dataset)
        self._measured(
            NNCF,
            (),
            lambda folder: to_openvino_nncf(
                self.settings.parent,
                folder,
                calibration=self.images,
                screening=self.screening,
                bound=bound,
            ),
        )

    def _int8(self) -> Artifact:
        """The one Q/DQ file, with its manifest."""
        folder = self.settings.out / "artifacts" / "int8"
        if (folder / CARD).is_file():
            found = load(folder)
            seen, codes = found.card.details["calibration"], found.card.details.get("weights")
            about = found.card.parent, seen["hash"], seen["method"], codes
            settings = self.settings
            wanted = settings.parent.id, self.images.hash, settings.method, asdict(settings.codes)
            if about == wanted:
                return found
        return to_int8(
            self.settings.parent,
            folder,
            calibration=self.images,
            screening=self.screening,
            method=self.settings.method,  # type: ignore[arg-type]  # checked there
            codes=self.settings.codes,
        )

    def _mixed(self, floats: Sequence[str], folder: Path, *, compared: bool = True) -> Artifact:
        """``compared``: with its parent, as every export is; ranking alone can do without."""
        int8 = self._int8()
        if not floats:
            return int8
        content = keep_float(self.original, int8.file(".onnx").read_bytes(), floats)
        details = {**int8.card.details, "float_layers": list(floats)}
        del details["parity"]  # that of another file
        if compared:
            figures = parity.compare(
                onnx_forward(self.original),
                onnx_forward(content),
                parity.default_images(int8.spec.size),
                of=(f"onnx {self.settings.parent.id}", "onnx int8"),
            )
            details["parity"] = parity.check(figures, "int8").to_json()
        return write(folder, replace(int8.card, details=details), {MODEL: content, **proofs(int8)})

    def _ranked(self) -> list[str]:
        """Layers, the one that costs most Dice first."""
        layers = quantized_layers(self._int8().file(".onnx").read_bytes())
        ids = self.dataset.ids[: self.settings.images]
        base = self._quick([self.settings.parent], ids)[0]
        missing = [name for name in layers if name not in self.search.costs]
        for start in range(0, len(missing), _TOGETHER):
            self.advance("layers ranked", len(layers) - len(missing) + start, len(layers))
            self._in_time()
            names = missing[start : start + _TOGETHER]
            with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
                alone = [
                    self._alone(name, layers, Path(folder, str(index)))
                    for index, name in enumerate(names)
                ]
                found = self._quick(alone, ids)
            self.search.costs |= {
                name: base - dice for name, dice in zip(names, found, strict=True)
            }
            self.keep()
        self.advance("layers ranked", len(layers), len(layers))
        return sorted(layers, key=lambda name: -self.search.costs[name])

    def _alone(self, name: str, layers: Sequence[str], folder: Path) -> Artifact:
        """With this layer in INT8, and no other."""
        return self._mixed([it for it in layers if it != name], folder, compared=False)

    def _quick(self, artifacts: Sequence[Artifact], ids: Sequence[str]) -> list[float]:
        settings = self.settings
        job = {
            "artifacts": [str(it.directory) for it in artifacts],
            "backend": settings.backend,
            "device": settings.device,
            "threads": settings.threads,
            "source": self.source.to_json(),
            "ids": list(ids),
        }
        means: list[float] = isolate.call(
            RANKER, job, env={"OMP_NUM_THREADS": str(settings.threads)}
        )
        return means

    def _rung(self, floats: Sequence[str]) -> bool:
        """Does it keep the bound?"""
        name = f"mixed-{len(floats)}" if floats else "int8"
        step = self._measured(name, floats, lambda folder: self._mixed(floats, folder))
        return self.search.keeps(step)

    def _tuned(self) -> bool:
        """All layers in INT8 still, of the network fine-tuned for it. Does that keep the bound?"""
        if self.settings.qat is None:
            return False
        step = self._measured(
            f"{QAT}-{self.settings.qat}",
            (),
            lambda folder: tuned(
                self.settings,
                self._int8(),
                folder,
                calibration=self.images,
                screening=self.screening,
                advance=self.advance,
                on_epoch=self._in_time,
            ),
        )
        return self.search.keeps(step)

    def _half(self) -> None:
        """The last rung: no INT8 at all."""
        try:
            self._measured("fp16", (), lambda folder: to_fp16(self.settings.parent, folder))
        except (BackendUnavailable, EngineError, ExportError) as error:
            self.search.no_fp16 = f"{error}"

    def _measured(self, name: str, floats: Sequence[str], make: Callable[[Path], Artifact]) -> Step:
        stored = self.search.step(name)
        place = Path("artifacts", name)
        if stored is not None and self._stands(stored, floats):
            return stored
        self._in_time()
        self.advance(f"rung {name}", 0, 3)
        artifact = make(self.settings.out / place)
        self.advance(f"rung {name}", 1, 3)
        reference = self._evaluated("parent", self.settings.parent)
        drop = paired_drop(reference, self._evaluated(name, artifact), "dice")
        self.advance(f"rung {name}", 2, 3)
        step = Step(
            name=name,
            float_layers=tuple(floats),
            dice=reference.mean("dice") - drop.mean,
            drop=drop.mean,
            upper=drop.upper,
            latency_ms=self._latency(name, artifact),
            artifact=str(place),
            artifact_id=artifact.id,
        )
        self.search.steps = [it for it in self.search.steps if it.name != name] + [step]
        self.keep()
        self.advance(f"rung {name}", 3, 3)
        return step

    def _stands(self, step: Step, floats: Sequence[str]) -> bool:
        """Whether a rung is about these layers, and its artifact still there."""
        folder = self.settings.out / step.artifact
        if step.float_layers != tuple(floats) or not (folder / CARD).is_file():
            return False
        return load(folder).id == step.artifact_id

    def _evaluated(self, name: str, artifact: Artifact) -> Evaluation:
        return evaluate(
            artifact,
            self.settings.backend,
            self.source,
            device=self.settings.device,
            threads=self.settings.threads,
            record=self.settings.out / "records" / f"{name}.evaluation.json",
            dataset=self.dataset,
            backend_version=self.version,
        )

    def _latency(self, name: str, artifact: Artifact) -> float:
        """Median over fresh processes, in ms."""
        settings = self.settings
        case = Case(name=name, artifact=artifact, backend=settings.backend, device=settings.device)
        suite = replace(_SUITE, threads=settings.threads)
        ((_, record),) = run_cases([case], suite, folder=settings.out / "records")
        if record.failure is not None:
            raise EngineError(record.failure.message, hint=record.failure.hint)
        values = [value for run in record.runs for value in run.values_ns]
        return statistics.median(values) / 1e6

    def _in_time(self) -> None:
        spent = self.search.spent_s + self.clock() - self.began
        if spent > self.settings.budget_s and self.search.steps:
            raise _OutOfTime

    def _about(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "parent": settings.parent.id,
            "model": settings.parent.card.model,
            "backend": settings.backend,
            "backend_version": self.version,
            "device": settings.device,
            "threads": settings.threads,
            "data": self.dataset.name,
            "part": settings.part,
            "images": len(self.dataset),
            "hash": self.dataset.hash,
            "calibration": self.images.hash,
            "method": settings.method,
            "weights": asdict(settings.codes),
            "ranked_on": min(settings.images, len(self.dataset)),
        }
