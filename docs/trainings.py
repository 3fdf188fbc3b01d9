"""Views of the results files of experiments: whole, as tables of networks, or as what they show."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from marks import WIDTH

from scunext_edge.experiments.parts import parts_of, spread_over
from scunext_edge.experiments.results import Results, load_results
from scunext_edge.experiments.text import rows as rows_of
from scunext_edge.experiments.text import written


def experiment(paths: Sequence[Path], _: int | None) -> str:
    """The text of a results file, a level deeper and without its title."""
    (path,) = paths
    text = written(load_results(path)).partition("\n\n")[2]
    return text.replace("\n## ", "\n#### ").strip()


def networks(paths: Sequence[Path], _: int | None) -> str:
    """Results files of networks, the full ones first: each a table of its own under its label."""
    found = sorted(map(load_results, paths), key=lambda it: bool(it.terms["protocol"]["reduced"]))
    return "\n\n".join(f"{_by(results)}\n\n{rows_of(results)}" for results in found)


def findings(paths: Sequence[Path], _: int | None) -> str:
    """What results files show and do not show, each in the sentences of its own text."""
    return "\n".join(line for path in paths for line in _found(load_results(path)))


def _found(results: Results) -> Iterator[str]:
    several = len(parts_of(results)) > 1  # each with sentences of its own
    part = ""
    for line in written(results).split("\n"):
        if line.startswith("# "):
            yield f"- {line.removeprefix('# ')}:"
        elif line.startswith("## "):
            part = f"*{line.removeprefix('## ')}:* " if several else ""
        elif line.startswith("- "):
            yield f"  - {part.replace('*In all:* ', '')}{line.removeprefix('- ')}"


def _by(found: Results) -> str:
    terms, protocol = found.terms, found.terms["protocol"]
    head = (
        f"Protocol {protocol['name']} ({protocol['label']}): {terms['data']['images']} images of "
        f"{terms['data']['name']}, in percent, mean ± standard deviation over "
        f"{spread_over(terms)}."
    )
    if protocol["reduced"]:
        head += " **Reduced**: these rows compare with each other, and stand beside no others."
    return textwrap.fill(head, WIDTH)
