"""A search for mixed precision as Markdown."""

from __future__ import annotations

from scunext_edge.export.weight_codes import FULL, WeightCodes
from scunext_edge.pipeline.quantize.record import NNCF, QAT, Search
from scunext_edge.report.markdown import plain, table
from scunext_edge.report.numbers import count, drop, milliseconds, score


def to_markdown(search: Search) -> str:
    """The outcome, every rung, and what each layer costs alone."""
    about = search.about
    lines = [
        f"# {headline(search)}",
        "",
        f"On {about['backend']}, threads: {about['threads']}. Bounded on {about['images']} "
        f"images of {about['data']} ({about['part']}), calibrated by {about['method']}."
        f"{_codes(**about['weights'])}",
        "",
        *table(
            (
                "rung",
                "layers in float",
                "Dice",
                "drop",
                "upper bound",
                "median, ms",
                "within the bound",
            ),
            [
                (
                    step.name,
                    "its own" if step.name == NNCF else count(len(step.float_layers)),
                    score(step.dice),
                    drop(step.drop),
                    drop(step.upper),
                    milliseconds(step.latency_ms),
                    "yes" if search.keeps(step) else "no",
                )
                for step in search.steps
            ],
        ),
    ]
    if any(step.name.startswith(QAT) for step in search.steps):
        lines += [
            "",
            f"{QAT}-N: all in INT8, after N epochs of fine-tuning with the rounding of "
            "the row int8. The epoch was chosen on the same images.",
        ]
    if search.no_fp16:
        lines += ["", f"The last rung, FP16, was not measured: {plain(search.no_fp16)}"]
    if search.costs:
        ranked = sorted(search.costs.items(), key=lambda it: -it[1])
        lines += [
            "",
            "## What each layer costs",
            "",
            f"Dice lost when it alone is quantized, on {about['ranked_on']} images, at the size of "
            "the network.",
            "",
            *table(("layer", "Dice"), [(name, f"{cost:+.5f}") for name, cost in ranked]),
        ]
    return "\n".join(lines) + "\n"


def _codes(bits: int, per_channel: bool) -> str:
    """What is unusual about the weights."""
    if WeightCodes(bits=bits, per_channel=per_channel) == FULL:
        return ""
    return (
        f" Weights have {bits} bits and a scale for each {'channel' if per_channel else 'tensor'}."
    )


def headline(search: Search) -> str:
    """One sentence."""
    bound = f"a loss of at most {search.max_drop:g} of Dice"
    best = search.step(search.best) if search.best else None
    if best is None:
        return f"{search.about['model']}: {bound} was not looked for to the end"
    kept = f", {len(best.float_layers)} layers in float" if best.float_layers else ""
    if search.outcome == "reached":
        return f"{search.about['model']}: {bound} is kept by {best.name}{kept}"
    return f"{search.about['model']}: {bound} was {search.outcome}; nearest is {best.name}{kept}"
