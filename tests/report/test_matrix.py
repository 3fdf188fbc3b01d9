from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.report.matrix import device_names, machine_of, matrix, to_markdown
from scunext_edge.report.records import Run
from scunext_edge.report.write import write_joint
from scunext_edge.results import Latency, Row

BareRun = Callable[..., Run]
PI = {"board": "Raspberry Pi 5", "cpu_model": "x", "cores_logical": 4}
LAPTOP = {"cpu_model": "Example CPU", "cores_logical": 8}


@pytest.fixture
def rows(make_row: Callable[..., Row], make_latency: Callable[..., Latency]) -> list[Row]:
    drop = {"dice_drop": 0.0, "dice_drop_upper": 0.001}
    return [
        make_row("scunext", "native", "fp32", latency_ms=make_latency(10.0)),
        make_row("scunext", "native", "int8", latency_ms=make_latency(4.0), **drop),
    ]


@pytest.fixture
def runs(bare_run: BareRun, rows: list[Row], make_latency: Callable[..., Latency]) -> list[Run]:
    slower = [replace(row, latency_ms=make_latency(50.0 + at)) for at, row in enumerate(rows)]
    absent = Row(
        model="scunext", backend="tensorrt", precision="int8", device="cpu", threads=1,
        input_size=256, status="skipped", reason="TensorRT is <not> installed",
    )  # fmt: skip
    return [
        bare_run(rows, environment=LAPTOP),
        bare_run([*slower, absent], environment=PI),
        bare_run(slower[:1], environment={"cpu_model": "virt", "emulated": "qemu-aarch64"}),
    ]


def test_a_line_per_row_and_a_cell_per_device(runs: Sequence[Run]) -> None:
    found = matrix(runs)
    assert [device.name for device in found.devices] == ["Example CPU", "Raspberry Pi 5", "virt"]
    assert [name for name, _ in found.lines] == [
        "scunext FP32 on native",
        "scunext INT8 qdq on native",
        "scunext INT8 on tensorrt",
    ]
    laptop, pi, virt = found.lines[1][1]
    assert laptop.text == "4.00 (3.92 to 4.08), stable, fastest here"
    assert laptop.best
    assert (pi.p50, virt.p50) == ("51.0 (50.0 to 52.0)", None)


def test_ratios_hold_within_a_device(runs: Sequence[Run]) -> None:
    fp32, int8, _ = (line for _, line in matrix(runs).lines)
    assert [cell.ratio for cell in fp32] == [
        "2.50\N{MULTIPLICATION SIGN} the fastest here",
        "fastest here",
        None,
    ]
    assert int8[1].ratio == "1.02\N{MULTIPLICATION SIGN} the fastest here"


def test_a_row_of_other_conditions_has_no_ratio_and_says_why(
    bare_run: BareRun, rows: list[Row], make_latency: Callable[..., Latency]
) -> None:
    odd = replace(rows[1], backend="openvino", threads=4, latency_ms=make_latency(1.0))
    found = matrix([bare_run([*rows, odd], environment=LAPTOP)] * 2)
    cells = [line[0] for _, line in found.lines]
    assert [cell.ratio for cell in cells][1:] == ["fastest here", None]
    assert cells[2].why == "threads 4 (the others: 1)"


def test_an_empty_cell_says_why(runs: Sequence[Run]) -> None:
    laptop, pi, _ = matrix(runs).lines[2][1]
    assert (laptop.p50, laptop.why) == (None, "this run had no such row")
    assert (pi.p50, pi.why) == (None, "TensorRT is <not> installed")


def test_an_emulated_device_is_marked_and_ranks_nothing(runs: Sequence[Run]) -> None:
    found = matrix(runs)
    virt = found.devices[2]
    assert (virt.emulated, virt.recommendation.state) == ("emulated by qemu-aarch64", "none")
    cell = found.lines[0][1][2]
    assert (cell.p50, cell.ratio, cell.best) == ("50.0 (49.0 to 51.0)", None, False)
    assert "emulated" in str(cell.why)
    assert any("virt is emulated by qemu-aarch64" in it for it in found.cautions)


def test_an_emulated_row_whose_latency_was_not_kept_says_so(
    bare_run: BareRun, rows: list[Row]
) -> None:
    silent = [replace(row, latency_ms=None) for row in rows]
    found = matrix([bare_run(rows), bare_run(silent, environment={"emulated": True})])
    assert found.lines[0][1][1].why == "emulated: no latency was kept"
    assert found.devices[1].recommendation.state == "none"


def test_columns_that_were_measured_differently_carry_a_caution(
    bare_run: BareRun, rows: list[Row], runs: Sequence[Run]
) -> None:
    assert not any("different ways" in it for it in matrix(runs).cautions)
    four = bare_run([replace(row, threads=4) for row in rows], environment=PI)
    found = matrix([runs[0], four])
    assert "The columns were measured in different ways: read each by itself." in found.cautions
    assert [device.way for device in found.devices] == ["compute, 1 thread", "compute, 4 threads"]


def test_devices_that_are_called_alike_are_told_apart(bare_run: BareRun) -> None:
    eight, two = (bare_run([], environment={**LAPTOP, "cores_logical": cores}) for cores in (8, 2))
    assert device_names([eight, two]) == ["Example CPU, 8 cores", "Example CPU, 2 cores"]
    later = replace(eight, created="2026-04-02T10:00:00Z")
    assert device_names([eight, later, two]) == [
        "Example CPU, 8 cores, 2026-03-01 10:00 UTC",
        "Example CPU, 8 cores, 2026-04-02 10:00 UTC",
        "Example CPU, 2 cores",
    ]
    copy = replace(eight, directory=Path("copy"))
    assert device_names([eight, copy]) == ["Example CPU, run", "Example CPU, copy"]


def test_a_machine_is_the_same_though_its_kernel_keeps_some_memory(bare_run: BareRun) -> None:
    one, other, less = (
        bare_run([], environment={**LAPTOP, "memory_bytes": memory})
        for memory in (16_310_000_000, 16_290_000_000, 8_100_000_000)
    )
    assert machine_of(one) == machine_of(other) != machine_of(less)


def test_the_text_lists_reasons_by_number(runs: Sequence[Run]) -> None:
    text = to_markdown(runs)
    assert text.startswith("# What to ship on each of 3 devices\n")
    assert "- **Raspberry Pi 5**: For Raspberry Pi 5, ship scunext" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| scunext INT8 on tensorrt"))
    assert "not measured (2)" in line
    assert "not measured (3)" in line
    assert "\n3. TensorRT is \\<not\\> installed\n" in text


@pytest.fixture
def folders(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> Callable[..., list[Path]]:
    def write(*environments: dict[str, Any]) -> list[Path]:
        return [
            make_run(tmp_path / f"run{at}", all_rows, environment=environment)
            for at, environment in enumerate(environments)
        ]

    return write


def test_different_machines_make_a_page_of_devices(
    folders: Callable[..., list[Path]], tmp_path: Path
) -> None:
    files = write_joint(folders(LAPTOP, {**PI, "board": "<Pi>"}), tmp_path / "out")
    assert files.html == tmp_path / "out" / "devices.html"
    page = files.html.read_text(encoding="utf-8")
    assert "&lt;Pi&gt;" in page
    assert "<Pi>" not in page
    assert "needs &lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count('class="answer recommended"') == 2
    assert files.lines == [str(tmp_path / "out" / "devices.md"), str(files.html)]


def test_one_folder_is_no_comparison(folders: Callable[..., list[Path]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several runs"):
        write_joint(folders(LAPTOP), tmp_path / "out")


def test_a_folder_without_results_leaves_nothing(
    folders: Callable[..., list[Path]], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"results\.json does not exist"):
        write_joint([*folders(LAPTOP), tmp_path / "nothing"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
