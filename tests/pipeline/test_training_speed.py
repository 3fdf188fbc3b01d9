from __future__ import annotations

import json

import pytest

from scunext_edge.errors import BackendUnavailable
from scunext_edge.pipeline import training_speed
from scunext_edge.pipeline.training_speed import Settings, doubts, measure, summarize, to_markdown

LEAST = {
    "flops": 40,
    "flops_per_s": {"fp32": 8e8, "bf16": 1.6e9},
    "compute_ns": 10.0,
    "memory_ns": 15.0,
}


def cell(kind, number, *, step=100, loader=1, foreign=0.0):
    steps = [] if kind == "loader" else [step, step, 9 * step]  # the median forgives one hiccup
    times = {"step_ns": steps, "loader_ns": [loader] * 3, "foreign_cores": foreign}
    least = None if kind == "loader" else LEAST
    held = {"memory_bytes": 5_000_000 + number, "least": least}
    return {"model": "unext", "threads": 1, "kind": kind, "round": number, **times, **held}


SETTINGS = Settings(models=("unext",), threads=(1,), rounds=2, batch=8)
CELLS = [
    *(cell("plain", 0, step=300), cell("fp32", 0, step=150), cell("bf16", 0, step=100)),
    *(cell("plain", 1, step=600), cell("fp32", 1, step=150), cell("bf16", 1, step=100)),
    *(cell("loader", 0, loader=2), cell("loader", 1, loader=4)),
]


def test_ratios_compare_within_a_round():
    fp32, bf16 = summarize(SETTINGS, CELLS)
    assert (fp32.precision, fp32.ratio, fp32.ratio_least, fp32.ratio_most) == ("fp32", 3, 2, 4)
    assert (bf16.precision, bf16.ratio) == ("bf16", 4.5)


def test_images_per_second_are_those_of_the_median_step():
    fp32, bf16 = summarize(SETTINGS, CELLS)
    assert bf16.images_s == pytest.approx(8 * 1e9 / 100)
    assert fp32.plain_images_s == pytest.approx(8 * 1e9 / 600)


def test_the_loader_is_compared_with_the_whole_time_of_a_batch():
    row = summarize(SETTINGS, CELLS)[1]
    assert row.loader_share == pytest.approx(1 / 101)
    assert row.loader_alone_ms == pytest.approx(3e-6)


def test_a_step_is_held_against_what_its_own_process_could_do():
    fp32, bf16 = summarize(SETTINGS, CELLS)
    assert bf16.flops_per_s == pytest.approx(40 / 100e-9)
    assert bf16.peak_share == pytest.approx(4e8 / 1.6e9)
    assert bf16.limit_share == pytest.approx(0.25)
    assert fp32.limit_share == pytest.approx(25 / 150)
    assert fp32.peak_share == pytest.approx(40 / 150e-9 / 8e8)
    assert fp32.bound_by == "memory"


def test_memory_is_the_most_of_all_rounds():
    unknown = [{**it, "memory_bytes": None} if it["kind"] == "plain" else it for it in CELLS]
    row = summarize(SETTINGS, unknown)[0]
    assert (row.plain_memory_bytes, row.memory_bytes) == (None, 5_000_001)


def test_a_gpu_that_is_not_there_is_unavailable():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailable, match="no GPU"):
        measure(Settings(accelerator="cuda"))


def test_doubts_name_what_spoils_the_numbers():
    spoilt = [*CELLS[:-1], cell("loader", 1, foreign=1.5)]
    spoilt[2] = cell("bf16", 0, loader=30)
    spoilt[5] = cell("bf16", 1, loader=30)
    found = " | ".join(doubts(SETTINGS, spoilt))
    assert "1.5 cores busy" in found
    assert "2 rounds" in found
    assert "unext, bf16, threads 1: the loader takes 23.1%" in found
    assert "unext, fp32, threads 1: the ratios of the rounds" in found


def test_a_quiet_steady_measurement_leaves_no_doubts():
    calm = [cell(kind, number) for number in range(5) for kind in training_speed.KINDS]
    settings = Settings(models=("unext",), threads=(1,))
    assert doubts(settings, calm) == []


def test_every_round_holds_every_case_in_an_order_of_its_own():
    jobs = list(training_speed._jobs(Settings(rounds=3)))
    rounds = [[j for j in jobs if j["round"] == number] for number in range(3)]
    cases = [[(j["model"], j["threads"], j["kind"]) for j in jobs] for jobs in rounds]
    assert len(set(cases[0])) == len(cases[0]) == 2 * 2 * len(training_speed.KINDS)
    assert sorted(cases[0]) == sorted(cases[1]) == sorted(cases[2])
    assert cases[0] != cases[1] != cases[2]


@pytest.mark.slow  # `make test-long`
def test_a_case_is_timed_in_a_process_with_its_own_threads():
    job = next(training_speed._jobs(Settings(threads=(1,), warmup=1, steps=2, batch=2, size=32)))
    timed = training_speed._timed({**job, "kind": "loader"})
    assert len(timed["loader_ns"]) == 2
    assert timed["threads_ran"] == 1
    assert timed["after"]["monotonic_s"] > timed["before"]["monotonic_s"]


@pytest.mark.slow  # `make test-long`
def test_a_small_measurement_from_end_to_end(tmp_path, capsys, monkeypatch):
    from scunext_edge.training import speed
    from scunext_edge.training.limit import Rates

    rates = Rates(flops_per_s={"fp32": 1e11, "bf16": 1e11}, bytes_per_s={1 << 20: 1e10})
    monkeypatch.setattr(speed, "rates_of", lambda device: rates)
    monkeypatch.setattr(training_speed.isolate, "call", lambda module, job, env: speed.work(job))
    out = tmp_path / "speed.json"
    training_speed.main(
        f"--out {out} --threads 1 --model unext --rounds 1 "
        "--warmup 1 --steps 2 --batch 2 --size 32".split()
    )
    record = json.loads(out.read_text())
    assert {cell["kind"]: len(cell["step_ns"]) for cell in record["cells"]} == {
        "plain": 2,
        "fp32": 2,
        "bf16": 2,
        "loader": 0,
    }
    assert all(len(cell["loader_ns"]) == 2 for cell in record["cells"])
    assert all(cell["threads_ran"] == 1 for cell in record["cells"])
    assert all(row["ratio"] > 0 for row in record["summary"])
    assert all(row["limit_share"] > 0 for row in record["summary"])
    assert all(row["peak_share"] > 0 for row in record["summary"])
    assert "of a matrix product" in out.with_suffix(".md").read_text()
    assert record["machine"]["architecture"]
    assert out.with_suffix(".md").read_text() == to_markdown(record) == capsys.readouterr().out


def test_without_torch_the_extra_to_install_is_named(monkeypatch):
    from scunext_edge.errors import BackendMissing

    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing):
        measure(SETTINGS)
