"""The process that talks to Ray: ``python -m scunext_edge.experiments.ray_driver ORDER PARENT``.

It is a process of its own since Ray ends a process whose cluster is gone, and we want to say so.
Each trial that ends is a line of JSON on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from scunext_edge.experiments import ray_task
from scunext_edge.experiments.worker import end_without
from scunext_edge.storage import read_json

LOCAL = "local"
_STARTS = 3  # of Ray on this machine
_LOST_S = 10  # how long a head may be silent; Ray's own default is a minute


def main(order: dict[str, Any]) -> int:
    """Join (or start) the cluster, hand in every trial, tell of each as it ends."""
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_LOST_S))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    _join(ray, order)
    task = ray.remote(num_cpus=order["cpus"], num_gpus=order["gpus"], max_retries=ray_task.RETRIES)(
        ray_task.make
    )
    waiting = {task.remote(job, folder, order["token"]): folder for job, folder in order["jobs"]}
    while waiting:
        (done, *_), _ = ray.wait(list(waiting), num_returns=1)
        folder = waiting.pop(done)
        try:
            answer = ray.get(done)
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            message = f"{Path(folder).name}: {lines[0] if lines else type(error).__name__}"
            answer = {"error": {"kind": "EngineError", "message": message, "hint": None}}
        sys.stdout.write(json.dumps({"folder": folder, **answer}) + "\n")
        sys.stdout.flush()
    ray.shutdown()
    return 0


def _join(ray: Any, order: dict[str, Any]) -> None:
    """Ray gives a node half a minute to start, which a busy machine may not make at once."""
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if order["address"] != LOCAL:
        ray.init(address=order["address"], **settings)
        return
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(num_cpus=order["local_cpus"], include_dashboard=False, **settings)
            return
        except Exception:
            ray.shutdown()
            if attempt == _STARTS:
                raise


if __name__ == "__main__":
    end_without(int(sys.argv[2]))
    sys.exit(main(read_json(Path(sys.argv[1]))))
