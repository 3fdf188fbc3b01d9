"""The same pictures on a real Ray cluster of two processors, with a worker killed on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.pipeline.folders import on_ray
from scunext_edge.pipeline.folders.inputs import find_inputs
from scunext_edge.pipeline.folders.on_ray import run_on_ray
from scunext_edge.pipeline.folders.run import JOURNAL, LOCK, TABLE, segment_folders


def files(job):
    return {
        path.relative_to(job.out).as_posix(): path.read_bytes()
        for path in Path(job.out).rglob("*")
        if path.is_file() and path.name not in (JOURNAL, LOCK, TABLE)
    }


@pytest.mark.slow  # a cluster takes a minute to start where two processors have other work, too
def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(folder, job, pipe):
    pytest.importorskip("ray")
    alone, cluster = replace(job, out=job.out + "-alone"), replace(job, out=job.out + "-ray")
    pytest.importorskip("pyarrow")
    segment_folders([folder], alone, workers=1)
    pipe(folder / "z.png")
    inputs = find_inputs([folder, folder / "z.png"], Path(cluster.out))
    rows = list(run_on_ray(cluster, job.artifact().id, inputs, address="local", workers=2))
    assert {row["path"]: row["status"] for row in rows} == {one.name: "ok" for one in inputs}
    assert files(cluster) == files(alone)


def test_a_worker_refuses_another_version_or_artifact(job):
    answer = on_ray._segment((job.to_json(), job.artifact().id, "0.0.0"), "a.png", "a.png")
    assert "has scunext-edge" in answer["error"]["message"]
    answer = on_ray._segment((job.to_json(), "other", on_ray.__version__), "a.png", "a.png")
    assert "another artifact" in answer["error"]["message"]


def test_a_worker_opens_its_engine_once(folder, job):
    settings = (job.to_json(), job.artifact().id, on_ray.__version__)
    for name in ("z.png", "w.bmp"):
        row = on_ray._segment(settings, str(folder / name), name)["row"]
        assert (row["path"], row["status"]) == (name, "ok")
    assert len([key for key in on_ray._stations if job.out in key]) == 1


def test_a_picture_that_breaks_the_worker_has_a_row_and_the_next_one_is_done(
    folder, job, monkeypatch
):
    settings = (job.to_json(), job.artifact().id, on_ray.__version__)
    with monkeypatch.context() as patch:
        patch.setattr(on_ray.Station, "row", lambda *_: {}["Doe^Jane"])
        row = on_ray._segment(settings, str(folder / "z.png"), "z.png")["row"]
    assert (row["path"], row["status"]) == ("z.png", "failed")
    assert row["error"] == "KeyError in the worker; the picture alone may show why"
    row = on_ray._segment(settings, str(folder / "w.bmp"), "w.bmp")["row"]
    assert row["status"] == "ok"


def test_without_ray_the_extra_is_named(job, monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing, match="ray"):
        list(run_on_ray(job, "id", [], address="local", workers=1))


def test_a_cluster_that_is_not_there_is_refused(job, monkeypatch):
    ray = pytest.importorskip("ray")

    def nowhere(**_options):
        raise ConnectionError("nothing there")

    monkeypatch.setattr(ray, "init", nowhere)
    with pytest.raises(ConfigError, match=r"'head:6379'"):
        list(run_on_ray(job, "id", [], address="head:6379", workers=1))
