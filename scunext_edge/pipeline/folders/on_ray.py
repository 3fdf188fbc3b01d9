"""Pictures shared out among the machines of a Ray cluster.

Paths travel, not pictures: every machine must see them, and the folder of the results, at the
same place, as on a network drive. So no machine's disk and no driver is in the way of the
others, and files are written just as without Ray.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from scunext_edge import __version__, errors
from scunext_edge.errors import ConfigError, EngineError, ScunextEdgeError, require
from scunext_edge.pipeline.folders.job import Input, Job
from scunext_edge.pipeline.folders.station import Row, Station, failed_row

_RETRIES = 3  # of a picture whose worker process died
_STORE_BYTES = 128 << 20  # rows are all that is stored
_AHEAD = 4  # pictures that are queued for each processor
_stations: dict[str, Station] = {}  # of a worker process: the engine that it has open


def run_on_ray(
    job: Job, artifact_id: str, inputs: Sequence[Input], *, address: str, workers: int | None
) -> Generator[Row, None, None]:
    """Yield a row per picture, as ``run_local`` does, on the cluster at ``address``.

    "local" starts one on this machine, with ``workers`` processors (default: all), "auto" finds
    the one that runs here. A picture whose process is killed is done again, three times. Without
    Ray: ``BackendMissing``; a cluster that cannot be reached is a ``ConfigError``.
    """
    require("ray", "ray", needed_for="--ray")
    ray = _connected(address, workers)
    try:
        yield from _rows(ray, job, artifact_id, inputs, workers)
    finally:
        ray.shutdown()


def _connected(address: str, workers: int | None) -> Any:
    # Ray reports its use to its makers unless it is told not to.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    local = address == "local"
    try:
        ray.init(
            address=address,
            num_cpus=workers if local else None,
            include_dashboard=False if local else None,
            object_store_memory=_STORE_BYTES if local else None,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:  # a bare one among others, where a machine is too busy
        ray.shutdown()
        raise ConfigError(
            f"there is no Ray cluster at {address!r}: {type(error).__name__}",
            hint="see `ray status`; `ray start --head` starts one, and --ray local one for this "
            "command alone",
        ) from error
    return ray


def _rows(
    ray: Any, job: Job, artifact_id: str, inputs: Sequence[Input], workers: int | None
) -> Generator[Row, None, None]:
    task = ray.remote(num_cpus=job.threads, max_retries=_RETRIES)(_segment)
    settings = ray.put((job.to_json(), artifact_id, __version__))
    waiting, running = iter(inputs), dict[Any, Input]()
    limit = workers or _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    while True:
        while len(running) < limit and (one := next(waiting, None)) is not None:
            running[task.remote(settings, str(one.path.absolute()), one.name)] = one
        if not running:
            return
        for ended in ray.wait(list(running))[0]:
            yield _row(ray, job, artifact_id, ended, running.pop(ended))


def _row(ray: Any, job: Job, artifact_id: str, ended: Any, one: Input) -> Row:
    try:
        answer = ray.get(ended)
    except ray.exceptions.WorkerCrashedError:
        reason = f"the worker process died {_RETRIES + 1} times"
        return failed_row(job, artifact_id, one.name, reason)
    except ray.exceptions.RayError as error:  # a bug, or a cluster that went away
        raise EngineError(
            f"Ray could not segment {one.name}: {type(error).__name__}",
            hint="without --ray, this machine does it alone",
        ) from None
    if "error" in answer:
        told = answer["error"]
        raise getattr(errors, told["kind"], EngineError)(told["message"], hint=told["hint"])
    row: Row = answer["row"]
    return row


def _segment(settings: tuple[dict[str, Any], str, str], path: str, name: str) -> dict[str, Any]:
    """In a worker process of Ray: the engine is opened once and kept."""
    job, artifact_id, version = settings
    try:
        if version != __version__:
            raise ConfigError(
                f"a machine of the cluster has scunext-edge {__version__}, and not {version}",
                hint="install the same version on every machine",
            )
        key = repr((job, artifact_id))
        if key not in _stations:
            _stations[key] = Station(Job.from_json(job), artifact_id)
    except ScunextEdgeError as error:
        return _told(error)
    try:
        return {"row": _stations[key].row(Input(Path(path), name))}
    except ScunextEdgeError as error:
        return _told(error)
    except Exception as error:  # of this picture: its text may be about a patient
        _stations.pop(key).close()
        reason = f"{type(error).__name__} in the worker; the picture alone may show why"
        return {"row": failed_row(Job.from_json(job), artifact_id, name, reason)}


def _told(error: ScunextEdgeError) -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}}
