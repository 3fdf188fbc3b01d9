"""Was a model calibrated on images that it is now scored on? From the card, without the images."""

from __future__ import annotations

from scunext_edge.artifacts import Artifact
from scunext_edge.data.datasets import Dataset, listed
from scunext_edge.export.calibration import ids_hash
from scunext_edge.pipeline.verify.checks import Check, check


def calibration_leaks(artifact: Artifact, scored: Dataset) -> Check:
    """A check called ``calibration``: which of the scored images the card names."""
    details = artifact.card.details.get("calibration")
    if artifact.card.precision != "int8":
        return check("calibration", None, "nothing was calibrated")
    if not details or not details.get("ids"):
        return check("calibration", False, "the card does not say which images set the ranges")
    if ids_hash(details["ids"]) != details["ids_sha256"]:
        return check("calibration", False, "the list of its images is not the one that was hashed")
    shared = sorted(set(details["ids"]) & set(scored.ids))
    if shared:
        return check(
            "calibration", False, f"calibrated on {len(shared)} scored images: {listed(shared)}"
        )
    return check(
        "calibration",
        True,
        f"none of the {details['count']} images of {details['dataset']} that set the ranges "
        "is among the scored ones, by id",
    )
