"""A mask as a DICOM Segmentation that stands beside its source image in an archive.

It carries patient and study of the source, as the standard demands, and refers to the image. It
is written with highdicom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from scunext_edge import __version__
from scunext_edge.data.dicom import opened
from scunext_edge.errors import ConfigError, DataError, require
from scunext_edge.spec import Mask
from scunext_edge.storage import new_file

Segmented = Literal["lesion", "lung"]
SEGMENTED: tuple[Segmented, ...] = get_args(Segmented)
# SNOMED CT: category and type (CID 7150 and following)
_CODES = {
    "lesion": ("MorphologicallyAbnormalStructure", "Lesion"),
    "lung": ("AnatomicalStructure", "Lung"),
}
# Type 1 of patient and study, and what may be empty but must be there (type 2)
_NEEDED = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What drew the mask."""

    network: str
    artifact_id: str
    engine: str
    threshold: float = 0.5  # of the probability
    views: int = 1  # of the picture, averaged


def check_segmented(what: str) -> Segmented:
    """``what`` if there is a code for it, else a ``ConfigError``; without highdicom: missing."""
    if what not in SEGMENTED:
        raise ConfigError(
            f"there is no code for a segment called {what!r}",
            hint=f"choose one of: {', '.join(SEGMENTED)}",
        )
    require("highdicom", "dicom", needed_for="DICOM Segmentation")
    return what


def write_seg(
    path: Path, source: bytes, mask: Mask, *, name: str, what: Segmented, algorithm: Algorithm
) -> None:
    """Write ``mask``, bool [H, W] of the DICOM image ``source``, as a BINARY Segmentation.

    An image of several frames, or one without the UIDs that refer to it, is a ``DataError``.
    """
    failing = "no Segmentation can be made from its header"
    with opened(source, name=name, failing=failing) as dataset:
        _check_source(dataset, name)
        segmentation = _segmentation(dataset, mask, what, algorithm)
        with new_file(path) as temporary:
            segmentation.save_as(temporary)


def _check_source(dataset: Any, name: str) -> None:
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise DataError(
            f"{name} holds several frames, and a Segmentation of one of them is not written",
            hint="leave out --seg, or store the frame as an image of its own",
        )
    lacks = [keyword for keyword in _NEEDED if not dataset.get(keyword)]
    if lacks:
        raise DataError(
            f"{name} has no {' and no '.join(lacks)}, so that no Segmentation can refer to it",
            hint="leave out --seg, or send the image through the archive, which gives them",
        )


def _segmentation(dataset: Any, mask: Mask, what: Segmented, algorithm: Algorithm) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if "SliceThickness" not in dataset:
        # Pixel measures may be left out beside a reference to the source (PS3.3 A.51.5), and
        # highdicom refuses to read those without a thickness.
        dataset.pop("PixelSpacing", None)
    category, kind = _CODES[what]
    said = highdicom.AlgorithmIdentificationSequence(
        name="scunext-edge",
        version=__version__,
        family=codes.cid7162.ArtificialIntelligence,
        source="scunext-edge",
        parameters={
            "network": algorithm.network,
            "artifact": algorithm.artifact_id,
            "engine": algorithm.engine,
            "threshold": f"{algorithm.threshold:g}",
            "views": str(algorithm.views),
        },
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=what.capitalize(),
        segmented_property_category=getattr(codes.SCT, category),
        segmented_property_type=getattr(codes.SCT, kind),
        algorithm_type="AUTOMATIC",
        algorithm_identification=said,
    )
    made = highdicom.seg.Segmentation(
        source_images=[dataset],
        pixel_array=mask.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="scunext-edge",
        manufacturer_model_name=algorithm.network,
        software_versions=__version__,
        device_serial_number=algorithm.artifact_id[:64],
        series_description=f"{what}, drawn by a network, no finding",
        content_label=what.upper(),
        omit_empty_frames=False,  # "nothing found" is an answer
    )
    # Type 2C where there is no orientation in space, and highdicom leaves it out
    made.PatientOrientation = dataset.get("PatientOrientation")
    return made
