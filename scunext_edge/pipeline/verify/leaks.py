"""Was a model calibrated on images that it is now scored on? By its card and its manifest."""

from __future__ import annotations

import json

from scunext_edge.artifacts import Artifact
from scunext_edge.data.calibration import MANIFEST, look_alikes
from scunext_edge.data.datasets import Dataset, listed
from scunext_edge.export.calibration import ids_hash
from scunext_edge.pipeline.verify.checks import Check, check

NAME = "calibration"


def calibration_leaks(artifact: Artifact, scored: Dataset) -> Check:
    """A check called ``calibration``: by id, and by picture where a manifest holds thumbnails."""
    facts = artifact.card.details.get("calibration")
    if artifact.card.precision != "int8":
        return check(NAME, None, "nothing was calibrated")
    if not facts or not facts.get("ids"):
        return check(NAME, False, "the card does not say which images set the ranges")
    if ids_hash(facts["ids"]) != facts.get("ids_sha256"):
        return check(NAME, False, "the list of its images is not the one that was hashed")
    shared = sorted(set(facts["ids"]) & set(scored.ids))
    if shared:
        return check(NAME, False, f"calibrated on {len(shared)} scored images: {listed(shared)}")
    told = f"none of the {facts['count']} images of {facts['dataset']} that set the ranges"
    if MANIFEST not in artifact.digests:
        return check(NAME, True, f"{told} is among the scored ones, by id")
    content = json.loads((artifact.directory / MANIFEST).read_text(encoding="utf-8"))
    if [it["id"] for it in content["images"]] != facts["ids"]:
        return check(NAME, False, "the manifest is stale: it names other images than the card")
    alike = look_alikes(content, scored)
    if alike:
        pairs = listed([f"{one} is {other}" for one, other in alike])
        return check(NAME, False, f"calibrated on {len(alike)} scored images: {pairs}")
    return check(NAME, True, f"{told} is one that is scored, or a copy or crop of it")
