"""``python -m scunext_edge.pipeline.verify.matrix``: networks that ship, on every CPU engine.

One verification for each engine and precision against the checkpoint on torch, and a table of all.
What was scored in an earlier call is not scored again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scunext_edge.errors import ScunextEdgeError
from scunext_edge.pipeline.verify.page import name_of
from scunext_edge.pipeline.verify.settings import Settings, side
from scunext_edge.pipeline.verify.verify import verify
from scunext_edge.progress import Advance, progress_bar
from scunext_edge.report.markdown import table
from scunext_edge.report.numbers import count, drop, pixels
from scunext_edge.storage import write_text
from scunext_edge.weights.shipped import names

ENGINES = ("onnxruntime", "openvino", "native")
PRECISIONS = ("fp32", "int8")
REFERENCE = "torch"
_HEADS = ("network", "engine", "precision", "ran", "Dice lost", "beyond the margin, at most")
_MORE = ("worst tenth", "fell, rose", "newly missed", "HD95", "rose by", "NSD lost", "verdict")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, write, print; 0 where everything passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a test part")
    parser.add_argument("--out", type=Path, required=True, help="a folder for each goes there")
    parser.add_argument("--model", action="append", help="repeatable; default: all that ship")
    asked = parser.parse_args(arguments)
    try:
        with progress_bar() as advance:
            records = verify_all(asked.model or names(), asked.data, asked.out, advance)
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return error.exit_code
    text = to_markdown(records)
    write_text(asked.out / "matrix.md", text)
    sys.stdout.write(text)
    return 0 if all(record["verdict"] == "passed" for record in records) else 1


def verify_all(
    models: Sequence[str], data: Path, out: Path, advance: Advance = lambda what, done, of: None
) -> list[dict[str, Any]]:
    """The record of every combination, in order."""
    wanted = [(m, e, p) for m in models for e in ENGINES for p in PRECISIONS]
    records = []
    for done, (model, engine, precision) in enumerate(wanted):
        advance("verifications", done, len(wanted))
        candidate = side(model, backend=engine, precision=precision)
        folder = out / f"{model}-{engine}-{precision}"
        reference = side(model, backend=REFERENCE, precision="fp32")
        settings = Settings(candidate=candidate, reference=reference, data=data, out=folder)
        records.append(dict(verify(settings).content))
    advance("verifications", len(wanted), len(wanted))
    return records


def to_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """A line for each."""
    first = records[0]
    data, criteria = first["dataset"], first["criteria"]
    lines = [
        "# The networks that ship, on every CPU engine",
        "",
        f"{data['images']} images of {data['name']} ({data['part']}), against the checkpoint on "
        f"{first['reference']['backend']}. What is lost is paired per image; beyond a margin of "
        f"{criteria['margin']:g} of mean Dice, with {criteria['confidence']:.0%} confidence. Worst "
        f"tenth: mean loss of the tenth of the images that loses most. Fell: below "
        f"{criteria['floor']:g}. HD95 in pixels; NSD at "
        f"{_outline(first, 'tolerance') or 0:g} pixels.",
        "",
        *table((*_HEADS, *_MORE), [_line(record) for record in records]),
        "",
        "Every check of each, with sizes of lesions:",
        "",
        *(
            f"- [{name_of(it['candidate'])}]({_folder(it['candidate'])}/verify.md)"
            for it in records
        ),
    ]
    return "\n".join(lines) + "\n"


def _folder(candidate: Mapping[str, Any]) -> str:
    return f"{candidate['model']}-{candidate['backend']}-{candidate['precision']}"


def _line(record: Mapping[str, Any]) -> list[str | None]:
    side, found = record["candidate"], record["acceptance"]
    loss, outline, census = found["loss"], found["outline"], record["census"]
    shares = census["shares"] if census else {}
    ran = ", ".join(f"{name.upper()} {share:.0%}" for name, share in shares.items())
    return [
        side["model"],
        side["backend"],
        side["precision"].upper(),
        ran or None,
        drop(loss["drop"]["mean"]),
        drop(loss["upper"]),
        drop(found["worst_drops"]),
        f"{len(found['fallen'])}, {found['risen']}",
        count(len(found["newly_missed"])),
        pixels(outline["hd95"]["candidate"]) if outline else None,
        drop(outline["hd95_rise"]["mean"]) if outline and outline["hd95_rise"] else None,
        drop(outline["nsd_drop"]["mean"]) if outline else None,
        record["verdict"],
    ]


def _outline(record: Mapping[str, Any], name: str) -> Any:
    outline = record["acceptance"]["outline"]
    return outline[name] if outline else None


if __name__ == "__main__":
    raise SystemExit(main())
