"""What the words in a report mean, one sentence each."""

from __future__ import annotations

from scunext_edge.report.records import Run

_TERMS = (
    (
        "\N{EN DASH}",
        "Not measured; never a guess, and never zero.",
    ),
    (
        "row",
        "One network on one engine in one precision, on one device.",
    ),
    (
        "ran",
        "The precision that the engine says it executed, which may not be the one asked for.",
    ),
    (
        "median ± MAD",
        "Half of all single calls were faster than the median; the MAD is the median distance "
        "of a value from it.",
    ),
    (
        "p90, p99",
        "Nine of ten, and 99 of 100, calls took no longer than this.",
    ),
    (
        "n / processes",
        "How many single calls were timed, and over how many freshly started processes they are "
        "spread.",
    ),
    (
        "compute, transfer, end to end",
        "The network alone; with handing the image in and the result out; from the bytes of an "
        "image file to a mask at the image's own size.",
    ),
    (
        "memory",
        "Peak resident memory of a process of its own, beyond what its imports take, in MB.",
    ),
    (
        "Dice",
        "Twice the overlap of prediction and truth, divided by the sum of their areas: 1 is "
        "perfect; computed for each image at its own size, then averaged.",
    ),
    (
        "IoU",
        "The overlap divided by the union, for each image, then averaged; never above Dice.",
    ),
)


def glossary(run: Run) -> list[tuple[str, str]]:
    """Definitions, with the gate as this run set it."""
    confidence = f"{100 * float(run.gate.get('confidence', 0.95)):g} %"
    return [
        *_TERMS,
        (
            "drop",
            "FP32 minus this row, image by image, then averaged: positive means that something "
            "was lost.",
        ),
        (
            "upper bound",
            f"The drop that is not exceeded with {confidence} confidence, by resampling the "
            "images.",
        ),
        ("gate", _gate(run)),
        (
            "doubt",
            "A reason not to trust a number of the row, found by the measurement itself.",
        ),
        (
            "MACs",
            "Multiply-accumulate operations for one image; the paper calls them FLOPs.",
        ),
    ]


def _gate(run: Run) -> str:
    limit = run.gate.get("limit")
    if limit is None:
        return "A row passes when the upper bound of its drop is within the limit that was set."
    metric = {"dice": "Dice", "iou": "IoU"}.get(str(run.gate.get("metric")), run.gate.get("metric"))
    return (
        f"A row passes when the upper bound of its drop in mean {metric or 'Dice'} is at most "
        f"{limit:g}: it has been shown to be good enough, not merely failed to look bad."
    )
