"""Trials on real Ray processes, killed in the middle. Ray takes some seconds to start: slow."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from scunext_edge.errors import EngineError
from scunext_edge.experiments import ray_task
from scunext_edge.experiments.results import load_results
from scunext_edge.experiments.run import folder_of, job_of, run
from scunext_edge.storage import write_text

STARTS = 5  # a node has 15 s to start, which a busy machine may miss


@pytest.fixture(autouse=True)
def free_access(monkeypatch):
    """Clusters of these tests ask for no token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def head(tmp_path):
    """A maker of heads of clusters of one machine: (address, process)."""
    pytest.importorskip("ray", reason="of the extra ray")
    made = []

    def make():
        for _ in range(STARTS):
            port = free_port()
            log = tmp_path / f"head-{port}.txt"
            with log.open("w") as stream:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head"),
                        *("--block", f"--port={port}", "--node-ip-address=127.0.0.1"),
                        *("--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"),
                    ],
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
            made.append(process)
            while process.poll() is None:
                if "Ray runtime started" in log.read_text():
                    return f"127.0.0.1:{port}", process
                time.sleep(0.2)
        raise AssertionError(f"Ray does not start here: {log.read_text()[-2000:]}")

    yield make
    for process in made:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def session_of(pid):
    """The processes of a session: (pid, name)."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,comm=", "-s", str(pid)], capture_output=True, text=True
    )
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return [(int(pid), name) for pid, name in rows]


@pytest.mark.slow
def test_a_task_makes_a_trial_again_whose_process_was_killed(planned, settings, watch):
    """What runs in a worker of Ray, without Ray around it."""
    plan, chosen = planned(recipe={"epochs": 8}), settings()
    (trial,) = plan.trials
    folder, job = folder_of(chosen.out, trial), job_of(plan, trial, chosen)
    write_text(chosen.out / ray_task.TOKEN, "t")
    kept = []

    def kill_once():
        kept.extend(watch.wait_for(lambda: watch.log_of(chosen.out, epochs=2)))
        watch.kill(watch.workers_of(chosen.out)[0][0])

    killer = threading.Thread(target=kill_once)
    killer.start()
    assert ray_task.make(job, str(folder), "t") == {"error": None}
    killer.join()
    assert watch.log_of(chosen.out, epochs=8)[0] == kept[0]


def test_a_machine_that_sees_another_folder_refuses(tmp_path):
    answer = ray_task.make({}, str(tmp_path / "out" / "trials" / "key"), "t")
    assert answer["error"]["kind"] == "StorageError"
    assert "not the folder of the experiment" in answer["error"]["message"]
    assert "every machine" in answer["error"]["hint"]


@pytest.mark.slow
def test_an_address_without_a_cluster_is_an_error_in_words(planned, settings):
    pytest.importorskip("ray", reason="of the extra ray")
    plan, chosen = planned(), settings(address=f"127.0.0.1:{free_port()}")
    with pytest.raises(EngineError, match="is gone, with 1 trials to make"):
        run(plan, plan.trials, chosen)


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_is_replaced_and_its_trial_goes_on(
    planned, settings, watch, head
):
    address, _ = head()
    plan = planned(models=("unext", "scunext"), recipe={"epochs": 10})
    chosen = settings(address=address)
    kept = []

    def kill_once():
        kept.extend(watch.wait_for(lambda: watch.log_of(chosen.out, epochs=2)))
        ((_, parent), *_) = watch.workers_of(chosen.out)
        watch.kill(parent)

    killer = threading.Thread(target=kill_once)
    killer.start()
    run(plan, plan.trials, chosen)
    killer.join()
    assert [one["name"] for one in load_results(chosen.record).trials] == [
        *("scunext/split1", "unext/split1")
    ]
    logs = [path.read_text().splitlines() for path in chosen.out.glob("trials/*/training/log.csv")]
    assert all(len(log) == 11 for log in logs)
    assert any(log[1] == kept[0] for log in logs)  # that epoch was not made again
    assert watch.workers_of(chosen.out) == []


@pytest.mark.slow
def test_a_head_that_is_killed_ends_in_words_and_a_second_start_does_what_is_missing(
    planned, settings, watch, head
):
    address, process = head()
    plan, chosen = planned(recipe={"epochs": 40}), settings(address=address)
    kept = []

    def kill_the_head():
        kept.extend(watch.wait_for(lambda: watch.log_of(chosen.out, epochs=2)))
        for pid, name in session_of(process.pid):
            if name.startswith(("gcs_server", "raylet", "ray")) or pid == process.pid:
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_head)
    killer.start()
    with pytest.raises(EngineError, match="is gone, with 1 trials to make") as caught:
        run(plan, plan.trials, chosen)
    killer.join()
    assert "what is finished is kept" in caught.value.hint
    watch.wait_for(lambda: not watch.workers_of(chosen.out))
    run(plan, plan.trials, settings(address=head()[0]))
    assert len(load_results(chosen.record).trials) == 1
    log = watch.log_of(chosen.out, epochs=40)
    assert (log[0], len(log)) == (kept[0], 40)
