"""The results file of an experiment: its terms, and one line for each finished trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scunext_edge.errors import ConfigError
from scunext_edge.storage import locked, read_record, storage_errors, write_text

# 1: first form
SCHEMA = 1
KIND = "experiment"
# What two files must have in common to hold trials of one table.
_SAME = ("experiment", "protocol", "splits", "data", "factors", "scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a file holds: what all trials have in common, and the trials in order of name."""

    terms: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]


def load_results(path: Path) -> Results:
    """Read a results file; another kind or schema is an ``ArtifactError``."""
    content = read_record(path, kind=KIND, schema=SCHEMA)
    trials = tuple(content.pop("trials"))
    return Results(terms=content, trials=trials)


def finished(path: Path, terms: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The trials of a file by key; none where there is no file.

    A file of other terms (another protocol, other data) is a ``ConfigError``.
    """
    if not path.exists():
        return {}
    held = load_results(path)
    plain = json.loads(json.dumps(dict(terms)))
    for name in _SAME:
        if _decisive(held.terms.get(name) or None) != _decisive(plain.get(name) or None):
            raise ConfigError(
                f"{path} holds trials of another {name}: {_brief(held.terms.get(name))}, "
                f"not {_brief(plain.get(name))}",
                hint="give another file with --record, so that no table mixes the two",
            )
    return {trial["key"]: trial for trial in held.trials}


def add(path: Path, terms: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """Put finished trials into a file, in place of those with the same key, atomically."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        trials = {**finished(path, terms), **{record["key"]: record for record in records}}
        write_text(path, _text(terms, sorted(trials.values(), key=lambda one: str(one["name"]))))


def _text(terms: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> str:
    """JSON with a line for each trial: a new one is one line in a comparison of versions."""
    head = json.dumps({"schema": SCHEMA, "kind": KIND, **terms}, indent=1, allow_nan=False)
    lines = ",\n".join(
        "  " + json.dumps(trial, separators=(",", ":"), allow_nan=False) for trial in trials
    )
    return f'{head[:-2]},\n "trials": [\n{lines}\n ]\n}}\n'


def _decisive(value: Any) -> Any:
    """Without words, and without what is not set: a setting added later changes nothing."""
    if isinstance(value, list):
        return [_decisive(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: _decisive(each)
        for name, each in value.items()
        if name != "label" and not (each is None or each is False or each in ({}, []))
    }


def _brief(value: Any) -> str:
    if isinstance(value, Mapping) and "name" in value:
        rest = ", ".join(f"{k} {v}" for k, v in value.items() if k not in ("name", "label") and v)
        return f"{value['name']} ({rest})"
    return json.dumps(value)
