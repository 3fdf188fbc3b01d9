"""The model card: for what it is meant, what it was made from, what is known of it and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.deploy.bundle import Rung
from scunext_edge.deploy.evidence import Evidence
from scunext_edge.deploy.ladder import Form, Ladder
from scunext_edge.deploy.quality import quality_lines
from scunext_edge.quality.limits import Limits

SCHEMA = 1  # 1: first form

INTENDED_USE = (
    "Outlining skin lesions in dermoscopic photographs, in research and in engineering trials of "
    "devices, by people who can judge the outline that they see."
)
NOT_FOR = (
    "Diagnosis, or any decision about a patient: this is no medical device, and nothing in it "
    "was validated clinically.",
    "Pictures of other kinds: clinical photographs from a distance, X-ray, ultrasound, histology.",
    "Measuring in millimetres without a ruler in the picture.",
)


def model_card(
    model: str,
    target: str,
    ladder: Ladder,
    rungs: Sequence[Rung],
    evidence: Evidence,
    *,
    created: str,
    limit_ms: float | None,
    limits: Limits | None,
) -> dict[str, Any]:
    """What ``model-card.json`` holds. Unknown is null."""
    details = ladder.forms[0].artifact.card.details
    calibration = details.get("calibration") or {}
    verified = evidence.verification
    return {
        "schema": SCHEMA,
        "kind": "model-card",
        "model": model,
        "target": target,
        "created": created,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "training": _training(details),
        "licence_of_data": details.get("licence_of_data"),
        "calibration": {name: calibration.get(name) for name in ("dataset", "count", "method")},
        "evaluated_on": dict(evidence.data),
        "gate": evidence.run["gate"] if evidence.run else None,
        "criteria": verified["criteria"] if verified else None,
        "forms": [_form(form, rung) for form, rung in zip(ladder.forms, rungs, strict=True)],
        "did_not_pass": list(ladder.failed),
        "left_out": list(ladder.left_out),
        "by_lesion_size": verified["acceptance"]["groups"] if verified else None,
        "limit_ms": limit_ms,
        "quality": _quality(limits),
        "limits": _limits(ladder, evidence, limits, is_timed=limit_ms is not None),
    }


def to_markdown(card: Mapping[str, Any]) -> str:
    """The same for people."""
    data = card["evaluated_on"]
    sizes = card["by_lesion_size"]
    lines = [
        f"# {card['model']} for {card['target']}",
        "",
        f"Made {card['created']}. {card['intended_use']}",
        "",
        *_warning(card["did_not_pass"]),
        "## Not for",
        "",
        *(f"- {line}" for line in card["not_for"]),
        "",
        "## Made from",
        "",
        f"- Trained on {_told(card['training'])}; licence of the data: "
        f"{card['licence_of_data'] or 'not stated'}.",
        f"- INT8 ranges set by {_calibrated(card['calibration'])}.",
        "",
        "## Measured",
        "",
        f"On {data['images']} images of {data['name']}, {data.get('split') or data.get('part')}. "
        "Evidence: `evidence.json`.",
        "",
        "| form | gate | Dice | drop at most | time on the maker's machine, ms | this time is |",
        "|---|---|---:|---:|---:|---|",
        *(_line(form) for form in card["forms"]),
        "",
        *([] if sizes is None else _sizes(sizes)),
        _start(card["limit_ms"]),
        "",
        *quality_lines(card["quality"]),
        "## Limits",
        "",
        *(f"- {line}" for line in card["limits"]),
        *(f"- Left out: {line}." for line in card["left_out"]),
    ]
    return "\n".join(lines) + "\n"


def _training(details: Mapping[str, Any]) -> dict[str, Any] | None:
    training = details.get("training")
    if not training:
        return None
    data = training.get("data", {})
    return {
        "dataset": data.get("name"),
        "images": data.get("train"),
        "kept_away_from": data.get("kept_away_from"),
        "epoch": training.get("epoch"),
        "val_dice": training.get("val_dice"),
    }


def _form(form: Form, rung: Rung) -> dict[str, Any]:
    claim = form.claim
    return {
        "name": rung.name,
        "artifact_id": rung.artifact_id,
        "gate": rung.gate,
        "gate_of": rung.gate_of,
        "dice": claim.dice,
        "dice_drop_upper": claim.dice_drop_upper,
        "latency_ms": rung.claim_ms,
        "stability": rung.stability,
    }


def _quality(limits: Limits | None) -> dict[str, Any] | None:
    if limits is None:
        return None
    return {
        "limits": dict(limits.limits),
        "set_on": dict(limits.set_on),
        "error_rates": dict(limits.error_rates),
    }


def _limits(
    ladder: Ladder, evidence: Evidence, quality: Limits | None, *, is_timed: bool
) -> list[str]:
    limits = []
    if quality is None:
        limits.append("Nothing says when a mask is not to be used: no limits of quality were set.")
    if note := (evidence.run or {}).get("data", {}).get("note"):
        limits.append(f"The scores are on {note}.")
    if evidence.verification is None:
        limits.append(
            "Not verified by size of lesion: the scores are means, and a mean can hide who loses."
        )
    if any(form.gate_of for form in ladder.forms):
        limits.append(
            "Not every form was scored on its engine: the device compares it with golden masks."
        )
    if not ladder.forms[0].artifact.card.details.get("licence_of_data"):
        limits.append("The licence of the training data is not stated.")
    return [
        *limits,
        "The golden images are drawn: they show that a device computes what was scored, and not "
        "that the scores hold for its patients.",
        "Times were taken on another machine; the acceptance record holds those of the device."
        if is_timed
        else "How long an image takes in a browser was not measured for this bundle.",
    ]


def _start(limit_ms: float | None) -> str:
    if limit_ms is None:
        return "At every start the page refuses to work where a pixel of a golden mask differs."
    return f"At the first start a form is refused that takes more than {limit_ms:g} ms."


def _warning(failed: Sequence[str]) -> list[str]:
    if not failed:
        return []
    return [f"**NOT PASSED: {', '.join(failed)}. Bundled all the same, by --allow-failed.**", ""]


def _told(training: Mapping[str, Any] | None) -> str:
    if training is None:
        return "data that its card does not name"
    return f"{training['images']} images of {training['dataset']}"


def _calibrated(calibration: Mapping[str, Any]) -> str:
    if calibration["dataset"] is None:
        return "nothing that its card names"
    return f"{calibration['count']} images of {calibration['dataset']} ({calibration['method']})"


def _line(form: Mapping[str, Any]) -> str:
    of = f" (of {form['gate_of']})" if form["gate_of"] else ""
    cells = [form["name"], f"{form['gate']}{of}"]
    cells += [_number(form[name], 4) for name in ("dice", "dice_drop_upper")]
    cells += [_number(form["latency_ms"], 3), form["stability"] or ""]
    return f"| {' | '.join(cells)} |"


def _sizes(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """By the share of the picture that the lesion covers."""
    lines = [
        f"| {it['size']} ({it['low']:.0%} to {it['high']:.0%}) | {it['images']} | "
        f"{_number(it['dice']['reference'], 4)} | {_number(it['dice']['candidate'], 4)} | "
        f"{_number(it['drop']['high'], 4)} | {it['fallen']} |"
        for it in groups
    ]
    return [
        "By size of the lesion, as a share of the picture; the form that was verified:",
        "",
        "| size | images | Dice, reference | Dice | drop at most | fallen below the floor |",
        "|---|---:|---:|---:|---:|---:|",
        *lines,
        "",
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
