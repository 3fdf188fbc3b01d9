"""The part of a bundle that a browser opens: a folder for any web server, and one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scunext_edge.data.images import read_image, read_mask
from scunext_edge.deploy.evidence import Evidence
from scunext_edge.deploy.ladder import Form, Ladder
from scunext_edge.quality.limits import Limits
from scunext_edge.web.golden import Golden
from scunext_edge.web.pack import facts, write_web
from scunext_edge.web.single import write_single_file

PAGE = "page"
SINGLE = "page.html"
GATED = "the same file on the native engine outside a browser"


def in_browsers(ladder: Ladder) -> Ladder:
    """The ladder without its times and stabilities: they are another build's of the engine."""
    return replace(ladder, forms=tuple(replace(form, gate_of=GATED) for form in ladder.forms))


def write_page(
    folder: Path,
    form: Form,
    evidence: Evidence,
    *,
    images: Sequence[Path],
    masks: Path,
    limits: Limits | None,
) -> None:
    """Write ``page/`` and ``page.html``, which test themselves with ``images`` and their masks."""
    golden = [Golden(image=read_image(it), mask=read_mask(masks / it.name)) for it in images]
    page = write_web(
        folder / PAGE,
        artifact=form.artifact,
        golden=golden,
        card=card(form, evidence),
        warning=warning(form),
        limits=limits,
    )
    write_single_file(page, folder / SINGLE)


def card(form: Form, evidence: Evidence) -> Mapping[str, str]:
    """What the artifact's card says, and what its gate said on which images."""
    data, claim = evidence.data, form.claim
    said = [f"{form.gate}, on {data['images']} images of {data['name']}"]
    if part := data.get("split") or data.get("part"):
        said[0] += f" ({part})"
    if claim.dice is not None:
        said.append(f"mean Dice {claim.dice:.3f}")
    if claim.dice_drop_upper is not None:
        said.append(f"at most {claim.dice_drop_upper:.4f} lower than its reference's")
    return {**facts(form.artifact), "Accuracy gate": "; ".join(said)}


def warning(form: Form) -> str | None:
    """What the page says for as long as it is open, where its network did not pass."""
    if form.gate in ("passed", "reference"):
        return None
    judged = "did not pass its accuracy gate" if form.gate == "failed" else "was judged by no gate"
    return f"The network in this page {judged}. It was bundled all the same: trust no outline."
