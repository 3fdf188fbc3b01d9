"""Answers and errors travel between processes; a child that dies is an error, not the end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import pytest

from scunext_edge import errors, isolate
from scunext_edge.errors import EngineError, ScunextEdgeError, StorageError

WORKER = """
import os, signal, sys, time
from scunext_edge import errors, isolate

class Foreign(errors.ScunextEdgeError):
    pass

def work(job):
    what = job["do"]
    if what == "echo":
        return job
    if what == "environment":
        return os.environ.get(job["name"])
    if what == "raise":
        raise {**vars(errors), "Foreign": Foreign}[job["kind"]]("what went wrong", hint="a remedy")
    if what == "bug":
        raise ZeroDivisionError("a bug")
    if what == "talk":
        print("to stdout")
        print("to stderr", file=sys.stderr)
    if what in ("crash", "exit", "talk"):
        os._exit(7)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "abort":
        os.abort()
    if what == "sleep":
        child = os.fork()
        if child == 0:
            time.sleep(600)
        open(job["pids"], "w").write(f"{os.getpid()} {child}\\n")
        time.sleep(600)
    if what == "no json":
        return {1, 2}

if __name__ == "__main__":
    isolate.serve(work)
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "a_worker.py").write_text(textwrap.dedent(WORKER))

    def run(timeout_s=None, env=None, **job):
        path = {"PYTHONPATH": str(tmp_path), **(env or {})}
        return isolate.call("a_worker", job, timeout_s=timeout_s, env=path)

    return run


def test_a_job_goes_in_and_its_answer_comes_back(call):
    job = {"do": "echo", "text": "é\n", "number": 0.1, "nothing": None, "list": [1, [2]]}
    assert call(**job) == job


def test_the_environment_of_the_child_is_added_to_ours(call, monkeypatch):
    monkeypatch.setenv("SCUNEXT_TEST", "ours")
    assert call(do="environment", name="SCUNEXT_TEST") == "ours"
    assert call(do="environment", name="SCUNEXT_TEST", env={"SCUNEXT_TEST": "its"}) == "its"
    assert os.environ["SCUNEXT_TEST"] == "ours"


@pytest.mark.parametrize("kind", ["BackendMissing", "ConfigError", "ArtifactError", "ExportError"])
def test_an_error_of_ours_is_raised_again_as_the_same_class_with_its_hint(call, kind):
    with pytest.raises(getattr(errors, kind)) as caught:
        call(do="raise", kind=kind)
    assert type(caught.value).__name__ == kind
    assert (str(caught.value), caught.value.hint) == ("what went wrong", "a remedy")


def test_an_error_class_that_we_do_not_know_arrives_as_an_engines(call):
    with pytest.raises(EngineError, match="what went wrong"):
        call(do="raise", kind="Foreign")


@pytest.mark.parametrize(
    ("do", "ending"),
    [
        ("bug", r"exit code 1\): .*ZeroDivisionError: a bug"),
        ("crash", r"exit code 7\): no output"),
        ("killed", r"killed by SIGKILL\)"),
        ("abort", r"killed by SIGABRT\): .*Aborted"),
        ("talk", r"exit code 7\)"),
        ("no json", r"set is not JSON serializable"),
    ],
)
def test_a_child_without_an_answer_says_how_it_ended(call, do, ending):
    with pytest.raises(EngineError, match=f"a_worker ended without an answer .*{ending}"):
        call(do=do)


def test_a_child_that_takes_too_long_is_stopped_with_all_that_it_started(call, tmp_path):
    pids = tmp_path / "pids"
    with pytest.raises(EngineError, match="stopped: it took too long"):
        call(do="sleep", pids=str(pids), timeout_s=3)
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())


def test_ctrl_c_stops_the_child_and_all_that_it_started(call, tmp_path, monkeypatch):
    pids = tmp_path / "pids"

    def interrupted(child, timeout_s):
        until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        raise KeyboardInterrupt

    monkeypatch.setattr(isolate, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call(do="sleep", pids=str(pids))
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())


def test_nothing_is_left_of_a_call_in_the_folder_for_temporary_files(call, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    call(do="echo")
    with pytest.raises(EngineError):
        call(do="crash")
    assert list(scratch.iterdir()) == []


def test_a_module_that_does_not_exist_is_an_error_with_its_name():
    with pytest.raises(EngineError, match="No module named no_such_worker"):
        isolate.call("no_such_worker", {})


def test_a_full_disk_is_a_storage_error(call, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(
            subprocess, "Popen", lambda *args, **kwargs: pytest.fail("nothing to start with")
        )
        patch.setattr("pathlib.Path.write_text", full)
        with pytest.raises(StorageError, match="No space left on device"):
            isolate.call("a_worker", {})


def test_calls_from_several_threads_do_not_mix(call):
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: call(do="echo", n=n)["n"]}))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {0: 0, 1: 1, 2: 2}


def test_a_half_written_answer_is_never_read(tmp_path, monkeypatch):
    asked, answered = tmp_path / "job.json", tmp_path / "answer.json"
    asked.write_text("{}")
    monkeypatch.setattr(sys, "argv", ["worker", str(asked), str(answered)])
    with pytest.raises(TypeError, match="not JSON serializable"):
        isolate.serve(lambda job: {1})
    assert not answered.exists()


def test_every_error_that_may_travel_can_be_made_from_a_message_and_a_hint():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ScunextEdgeError)
    ]
    assert len(kinds) > 8
    for kind in kinds:
        made = kind("why", hint="what to do")
        assert (str(made), made.hint) == ("why", "what to do")


def is_gone(pid):
    """Whether a process has ended; a zombie that nobody has waited for counts as ended."""

    def ended():
        try:
            with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
                return stat.read().rsplit(")", 1)[1].split()[0] in {"Z", "X"}
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(ended)
    return True


def until(done, limit_s=30.0):
    """Wait for what other processes do; only a run that hangs comes near the limit."""
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
