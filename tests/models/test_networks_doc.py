"""The numbers in docs/networks.md are those that the code gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scunext_edge.models import registry
from scunext_edge.models.complexity import profile

pytest.importorskip("fvcore", reason="the extra 'profile' is not installed")
pytest.importorskip("thop", reason="the extra 'profile' is not installed")

TEXT = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


def table(heading):
    """Rows of the table whose header line starts with these cells; cells without backticks."""
    start = TEXT.index(heading)
    lines = TEXT[start:].split("\n\n")[0].splitlines()
    return [[cell.strip(" `") for cell in line.strip("| ").split("|")] for line in lines[2:]]


def number(cell):
    return int(cell.replace(",", ""))


COSTS = table("| name | parameters | MACs")


def test_every_network_of_ours_stands_in_the_cost_table():
    assert {row[0] for row in COSTS} == set(registry._OURS)


@pytest.mark.parametrize("row", COSTS, ids=lambda row: row[0])
def test_cost_table_is_what_profile_finds(profiles, row):
    found = profiles[row[0]]
    assert [number(cell) for cell in row[1:]] == [
        found.params,
        found.macs,
        found.thop.total,
        found.activation_peak_bytes,
    ]


VARIANTS = table("| skip | fuse")


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: f"skip {row[0]} fuse {row[1]}")
def test_variants_are_what_profile_finds(row):
    skip, fuse = (cell == "yes" for cell in row[:2])
    found = profile("scunext", options={"skip": skip, "fuse": fuse})
    assert [number(cell) for cell in row[2:]] == [found.params, found.macs]


def test_all_four_variants_are_listed():
    assert len({tuple(row[:2]) for row in VARIANTS}) == 4


def test_paper_table_is_what_the_code_prints(paper_rows):
    assert table("| method | the paper prints") == [
        [
            row.method,
            f"{row.paper_parameters}, {row.paper_flops}",
            row.model,
            row.our_parameters,
            row.our_flops,
            "yes" if row.agrees else "no",
        ]
        for row in paper_rows
    ]


def test_numbers_in_the_prose_are_computed_ones(profiles, paper_rows):
    scunext, unext = profiles["scunext"], profiles["unext"]
    assert f"{scunext.thop.transposed_overcount / 1e6:.2f} million too many" in prose()
    assert f"the MACs rise by {100 * (scunext.macs / unext.macs - 1):.1f} %" in prose()
    sides = [re.search(r"images of (\d+) pixels", row.explanation) for row in paper_rows]
    unet, resunetpp = (match[1] for match in sides if match)
    assert f"about {unet} pixels, ResUNet++ of about {resunetpp}" in prose()


def prose():
    return " ".join(TEXT.split())
