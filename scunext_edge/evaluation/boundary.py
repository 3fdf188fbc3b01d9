"""How far the outline of a mask is from the outline of the truth, by MONAI.

HD95 is the 95th percentile of the Hausdorff distance: of the distances between the two outlines,
the one that only a twentieth exceeds, the worse of both directions (Maier-Hein et al., "Metrics
reloaded", Nature Methods 2024). NSD is the normalised surface Dice at a tolerance (Nikolov et
al. 2021): the share of both outlines that lies within it of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scunext_edge import isolate
from scunext_edge.data.source import Source
from scunext_edge.errors import require

WORKER = "scunext_edge.evaluation.boundary_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Of one image, in pixels of the image's own size."""

    hd95: float | None  # None where one of the two masks is empty: there is no such distance
    nsd: float  # 0 to 1


def boundaries(
    source: Source,
    ids: Sequence[str],
    folders: Mapping[str, Path],
    *,
    tolerance: float,
    workers: int,
) -> dict[str, dict[str, Boundary]]:
    """For each of ``folders``, which hold a mask ``ID.png`` of every image: id -> Boundary.

    The images are shared out among ``workers`` processes. Without MONAI: ``BackendMissing``.
    """
    require("monai", "verify", needed_for="distances between outlines")
    shares = [list(ids[start::workers]) for start in range(min(workers, len(ids)))]
    jobs = [
        {
            "source": source.to_json(),
            "ids": share,
            "folders": {name: str(folder) for name, folder in folders.items()},
            "tolerance": tolerance,
        }
        for share in shares
    ]
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        answers = list(
            pool.map(lambda job: isolate.call(WORKER, job, env={"OMP_NUM_THREADS": "1"}), jobs)
        )
    found = {
        name: {id: Boundary(**row) for answer in answers for id, row in answer[name].items()}
        for name in folders
    }
    return {name: {id: rows[id] for id in ids} for name, rows in found.items()}
