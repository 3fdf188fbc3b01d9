"""A folder of drawn lesions, and experiments on it that take seconds."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.synthetic import draw
from scunext_edge.experiments.plan import make_plan
from scunext_edge.experiments.protocol import protocol_of
from scunext_edge.experiments.question import question_of
from scunext_edge.experiments.results import Results
from scunext_edge.experiments.run import Settings

TINY = {"label": "tiny", "preset": "fast", "size": 32, "recipe": {"epochs": 2, "batch": 4}}
RANDOM = {"kind": "random", "seeds": [1], "test": 0.25, "val": 0.1}


@pytest.fixture(scope="session")
def lesions(tmp_path_factory):
    """24 drawn lesions of 40 x 48 pixels; the last looks like the first."""
    root = tmp_path_factory.mktemp("lesions")
    for kind in ("images", "masks"):
        (root / kind).mkdir()
    for index in range(24):
        image, mask = draw(0, index % 23, (40, 48))
        Image.fromarray(image).save(root / "images" / f"l{index:02}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"l{index:02}.png")
    return root


@pytest.fixture
def hospitals(lesions, tmp_path):
    """The same, every third of the hospital south, the others of north."""
    root = tmp_path / "hospitals"
    shutil.copytree(lesions, root)
    rows = [f"l{at:02},{'north' if at % 3 else 'south'}" for at in range(24)]
    (root / "manifest.csv").write_text("\n".join(["name,origin", *rows]))
    return root


@pytest.fixture
def planned(lesions, tmp_path):
    """A maker of plans: planned(models=("unext",), recipe={...}, splits={...}, **protocol)."""

    def make(
        *,
        models=("unext",),
        arms=None,
        recipe=None,
        splits=None,
        scores=(),
        devices=1,
        data=lesions,
        **protocol,
    ):
        settings = {**TINY, **protocol, "recipe": {**TINY["recipe"], **(recipe or {})}}
        arms = arms or [{"model": model} for model in models]
        question = {"splits": splits or RANDOM, "scores": scores, "arm": arms}
        return make_plan(
            question_of(question, name="asked"),
            protocol_of(settings, name="tiny"),
            data,
            store=tmp_path / "out",
            devices=devices,
        )

    return make


@pytest.fixture
def settings(tmp_path):
    """A maker of settings: settings(workers=2)."""

    def make(**changes):
        out = tmp_path / "out"
        return Settings(**{"out": out, "record": tmp_path / "record.json", **changes})

    return make


@pytest.fixture
def watch():
    """Looking at trials from outside, and killing what makes them."""
    return SimpleNamespace(wait_for=wait_for, log_of=log_of, workers_of=workers_of, kill=kill)


@pytest.fixture
def made_up():
    """Results of trials that nobody trained, with Dice as a test wants it."""
    return SimpleNamespace(
        comparison=_comparison, grid=_grid, hospitals=_hospitals, terms=_terms, trial=_trial
    )


def wait_for(what, seconds=120):
    """What ``what()`` returns, as soon as it is something."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


def log_of(out, epochs=1):
    """The lines of the only trial's log once ``epochs`` are behind it, else nothing."""
    for log in out.glob("trials/*/training/log.csv"):
        lines = log.read_text().splitlines()[1:]
        if len(lines) >= epochs and (log.parent / "state.safetensors").exists():
            return lines
    return []


def workers_of(out):
    """Processes that make a trial below ``out``: (pid, pid of the parent)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        here = any(part.startswith(os.fsencode(out)) for part in command)
        if here and b"scunext_edge.experiments.worker" in command and state != "Z":
            found.append((int(folder.name), int(parent)))
    return found


def kill(pid):
    os.kill(pid, signal.SIGKILL)


NETWORKS = ("a", "b")
FACTORS = ("edge", "skip", "fuse")


def _terms(arms, *, factors=(), splits=None, **protocol):
    return {
        "experiment": "asked",
        "title": "What was asked",
        "paper": None,
        "factors": list(factors),
        "arms": arms,
        "protocol": {"name": "tiny", "label": "tiny", "reduced": False, **protocol},
        "splits": {"kind": "random", "seeds": [1, 2, 3], "test": 0.2, "val": 0.1, **(splits or {})},
        "data": {"name": "drawn", "images": 100, "hash": "d"},
    }


def _trial(arm, cut, dice, *, code="c", ids=None):
    """``dice``: one value for each image."""
    names = ids or [f"{cut}-{index:03}" for index in range(len(dice))]
    mean = float(np.mean(dice))
    return {
        "key": f"{arm}-{cut}",
        "name": f"{arm}/{cut}",
        "arm": arm,
        "cut": cut,
        "code": code,
        "model": arm,
        "dice": mean,
        "iou": mean / 2,
        "dice_pooled": mean,
        "iou_pooled": mean / 2,
        "params": 1000,
        "macs": 2_000_000,
        "recipe": {"epochs": 2, "size": 32},
        "counts": {"train": 400, "val": 20, "test": len(dice)},
        "images": {name: [value, value / 2] for name, value in zip(names, dice, strict=True)},
    }


def _comparison(difference, *, noise=0.0, splits=(1, 2, 3), seed=0):
    """Two networks on 40 images a split; ``b`` is better by ``difference``, give or take."""
    rng, trials = np.random.default_rng(seed), []
    for split in splits:
        base = rng.uniform(0.6, 0.9, 40)
        moved = base + difference + rng.normal(0, noise) + rng.normal(0, 0.01, 40)
        trials += [_trial("a", f"split{split}", base), _trial("b", f"split{split}", moved)]
    arms = [{"name": name, "model": name, "on": []} for name in NETWORKS]
    return Results(terms=_terms(arms), trials=tuple(trials))


def _grid(effects, *, noise=0.002, folds=5, seed=0):
    """The 2 x 2 x 2 grid; ``effects`` maps factors (a tuple) to what they add to Dice."""
    rng, arms, trials = np.random.default_rng(seed), [], []
    for states in itertools.product((False, True), repeat=len(FACTORS)):
        on = [name for name, state in zip(FACTORS, states, strict=True) if state]
        arms.append({"name": "+".join(on) or "none", "model": "m", "on": on})
    for fold in range(1, folds + 1):
        base = rng.uniform(0.5, 0.8, 30)
        for arm in arms:
            added = sum(value for of, value in effects.items() if {*of} <= {*arm["on"]})
            dice = base + added + rng.normal(0, noise) + rng.normal(0, 0.01, 30)
            trials.append(_trial(arm["name"], f"fold{fold}", dice))
    splits = {"kind": "folds", "folds": 5, "seeds": [1], "test": None}
    return Results(terms=_terms(arms, factors=FACTORS, splits=splits), trials=tuple(trials))


def _hospitals(difference, *, nearer=0.0, empty=0, folds=5, seed=0):
    """Two networks in folds and on two hospitals, with HD95.

    ``b`` is better by ``difference`` of Dice and ``nearer`` pixels, but worse by as much on north.
    """
    rng, trials = np.random.default_rng(seed), []
    cuts = [*(f"fold{number + 1}" for number in range(folds)), "test-north", "test-south"]
    for cut in cuts:
        base, far = rng.uniform(0.6, 0.9, 40), rng.uniform(20, 40, 40)
        way = -1 if cut == "test-north" else 1
        for arm in NETWORKS:
            gain = way * (arm == "b") + rng.normal(0, 0.01, 40)
            one = _trial(arm, cut, base + difference * gain)
            hd95 = far - nearer * gain
            for values, reach in zip(one["images"].values(), hd95, strict=True):
                values += [reach, reach / 100]
            mean = float(hd95.mean())
            trials.append({**one, "hd95": mean, "hd95_share": mean / 100, "hd95_empty": empty})
    arms = [{"name": name, "model": name, "on": []} for name in NETWORKS]
    by_hospital = {"kind": "leave-one-out", "seeds": [1], "val": 0.1, "column": "origin"}
    splits = [
        {"kind": "folds", "folds": folds, "seeds": [1], "val": 0.05, "column": "origin"},
        {**by_hospital, "groups": ["north", "south"]},
    ]
    terms = {**_terms(arms), "splits": splits, "scores": ["hd95"]}
    return Results(terms=terms, trials=tuple(trials))
