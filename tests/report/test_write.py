from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from scunext_edge.errors import ArtifactError
from scunext_edge.report.naming import full_name, short_name
from scunext_edge.report.write import ReportFiles, write_report
from scunext_edge.results import Row


class Page(HTMLParser):
    """What a browser would fetch, the ids, the text and the tags of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.local: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                kept = self.local if (value or "").startswith("#") else self.fetched
                kept.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="session")
def files(whole_run: Path) -> ReportFiles:
    return write_report(whole_run)


@pytest.fixture(scope="session")
def page(files: ReportFiles) -> Page:
    assert files.html is not None
    return Page(files.html)


def test_the_page_fetches_nothing(page: Page) -> None:
    assert page.fetched, "pictures and figures are expected inside"
    assert [source[:40] for source in page.fetched if not source.startswith("data:")] == []
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "url(http" not in page.source
    assert "@import" not in page.source


def test_every_row_appears(page: Page, all_rows: list[Row]) -> None:
    for row in all_rows:
        name = short_name(row) if row.status == "ok" else full_name(row)
        assert name in page.words


def test_text_from_the_run_is_escaped(page: Page) -> None:
    assert "<script>" not in page.source
    assert "needs <script>alert(1)</script> & libnvinfer.so" in page.words
    assert "Example CPU <x>" in page.words
    assert "lost most Dice <here>" in page.words


def test_ids_are_unique_and_every_link_has_its_target(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.local} <= set(page.ids)


def test_pictures_have_words_for_those_who_do_not_see_them(page: Page) -> None:
    assert len(page.images) == 10  # image, truth, FP32, INT8, difference; of two networks
    assert all(image["alt"] for image in page.images)
    assert page.source.count('role="img" aria-label="') == 4  # one of them in two widths


def test_the_page_names_what_is_missing(page: Page) -> None:
    assert '<span class="none" title="not measured">' in page.source
    assert '<span class="none" title="not known">' in page.source
    assert "None" not in page.words.replace("None of", "")


def test_the_page_holds_verdict_gate_caution_and_command(page: Page) -> None:
    assert "2 of 3 rows passed the accuracy gate" in page.words
    assert "must not be passed on commercially" in " ".join(page.words.split())
    assert "at most 0.005" in page.words
    assert "scunext-edge bench --data 'made up' --out RUN" in page.words
    assert "243.63 KB" in page.words


def test_what_was_found_besides_is_said_once_with_its_rows(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    told = ["energy is not known: no <meter>"]
    rows = [replace(row, findings=told, images_per_s=123.4) for row in all_rows[:2]]
    files = write_report(make_run(tmp_path, [*rows, *all_rows[2:]]))
    assert files.html is not None
    words = " ".join(Page(files.html).words.split())
    assert words.count(told[0]) == 1
    assert "123" in words
    assert "All images of all processes" in words
    markdown = files.markdown.read_text()
    assert markdown.count("energy is not known: no \\<meter\\>") == 1
    assert "## Found besides" in markdown


def test_the_answer_stands_before_everything_else(page: Page) -> None:
    words = " ".join(page.words.split())
    order = [
        "Recommended: unext INT8 qdq on onnxruntime",
        "For Example CPU <x>, ship unext INT8 qdq on onnxruntime: p50 6.00 ms (95 %: 5.88 to 6.12)",
        "p50 per image6.00 ms95 %: 5.88 to 6.12 ms",
        "Mean Dice0.809",
        "How sure we are",
        "Why this one",
        "Accuracy against latency",
        "2 of 3 rows passed the accuracy gate",
        "Latency in milliseconds per image",
    ]
    body = words[words.index("Skip to the answer") :]
    assert [body.find(text) for text in order] == sorted(body.find(text) for text in order)
    assert all(text in body for text in order)


def test_only_the_recommended_row_is_tinted(page: Page) -> None:
    assert page.source.count('class="best"') == 1
    assert '<tr id="row-4" class="best">' in page.source


def test_a_stability_opens_to_its_reasons(page: Page) -> None:
    assert '<span class="badge stable">stable</span></summary><p>5 processes agree</p>' in (
        page.source
    )


def test_rows_that_may_not_be_compared_are_shown_with_the_reason(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    odd = replace(all_rows[4], backend="native", threads=4)
    files = write_report(make_run(tmp_path, [*all_rows, odd]))
    assert files.html is not None
    found = Page(files.html)
    after = found.words[found.words.index("Not comparable with these") :]
    assert "unext INT8 qdq on native" in after
    assert "threads 4 (the others: 1)" in after
    assert {link[1:] for link in found.local} <= set(found.ids)
    text = files.markdown.read_text(encoding="utf-8")
    assert "threads 4 (the others: 1)" in text.split("## Not comparable with these")[1]
    results = text.split("## Results")[1].split("## More numbers")[0]
    assert "unext INT8 qdq on native" not in results


def test_the_conditions_of_each_row_are_folded_beneath_the_machine(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows[:2])
    for at, path in enumerate(sorted((run_dir / "records").glob("*.measurement.json"))):
        content = json.loads(path.read_text())
        for run in content["runs"]:
            run["environment"] = {
                "machine": {"governor": "<powersave>" if at else None},
                "before": {"load_1min": 0.5},
                "after": {"load_1min": 1.5},
            }
        path.write_text(json.dumps(content))
    files = write_report(run_dir)
    assert files.html is not None
    found = Page(files.html)
    assert '<details class="fold" id="passport">' in found.source
    folded = found.words[found.words.index("The conditions of each row") :]
    assert "0.5 \N{RIGHTWARDS ARROW} 1.5" in folded
    assert "<powersave>" in folded
    assert "not told" in folded
    assert "<powersave>" not in found.source


def test_headings_do_not_skip_a_level(page: Page) -> None:
    levels = [int(tag[1]) for tag in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_is_the_same_each_time(whole_run: Path, page: Page) -> None:
    html = write_report(whole_run).html
    assert html is not None
    assert html.read_text(encoding="utf-8") == page.source


def test_the_csv_has_one_flat_line_per_row(files: ReportFiles, all_rows: list[Row]) -> None:
    with files.csv.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["key"] for line in lines] == [row.key for row in all_rows]
    assert lines[0]["latency_median_ms"] == "21.0"
    assert lines[0]["latency_region"] == "compute"
    assert lines[6]["latency_median_ms"] == ""
    assert lines[6]["reason"] == all_rows[6].reason
    assert lines[1]["doubts"] == "; ".join(all_rows[1].doubts)
    assert None not in lines[0]


def test_the_markdown_starts_with_the_recommendation(files: ReportFiles) -> None:
    text = files.markdown.read_text(encoding="utf-8")
    assert text.startswith("# Recommended: unext INT8 qdq on onnxruntime\n")
    assert "## 2 of 3 rows passed the accuracy gate\n" in text
    assert text.index("**How sure we are**") < text.index("## 2 of 3 rows")


def test_awkward_text_cannot_break_the_markdown(files: ReportFiles) -> None:
    text = files.markdown.read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "libnvinfer" in line)
    assert r"\<script\>alert(1)\</script\>" in line
    assert line.endswith("second line")
    widths = {line.replace(r"\|", "").count("|") for line in text.splitlines() if line[:2] == "| "}
    assert widths == {8, 9, 11}


@pytest.mark.parametrize("kept", [[0], [1], [6], []])
@pytest.mark.parametrize("whole", [True, False])
def test_few_rows_make_a_report(
    kept: list[int],
    whole: bool,
    make_run: Callable[..., Path],
    all_rows: list[Row],
    tmp_path: Path,
) -> None:
    rows = [all_rows[index] for index in kept]
    files = write_report(make_run(tmp_path, rows, whole=whole))
    assert files.html is not None
    found = Page(files.html)
    assert all(row.backend in found.words for row in rows)
    assert "None" not in found.words
    assert len(files.csv.read_text().splitlines()) >= 1 + len(rows)


def test_values_without_any_spread_are_drawn(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows[:2])
    for path in (run_dir / "records").glob("*.measurement.json"):
        content = json.loads(path.read_text())
        content["runs"] = [{**content["runs"][0], "values_ns": [5_000_000]}]
        path.write_text(json.dumps(content))
    files = write_report(run_dir)
    assert files.html is not None
    assert "Latency distributions" in files.html.read_text(encoding="utf-8")


def test_a_picture_that_is_no_picture_is_named_and_no_page_is_left(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows)
    (run_dir / "pictures" / "lesion_0005.image.jpg").write_bytes(b"no picture")
    with pytest.raises(ArtifactError, match=r"lesion_0005\.image\.jpg cannot be read"):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


def test_rows_without_any_accuracy_still_show_their_speed(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    rows = [
        replace(row, dice=None, iou=None, dice_drop=None, dice_drop_upper=None, gate=None)
        for row in all_rows[:4]
    ]
    files = write_report(make_run(tmp_path, rows))
    assert files.html is not None
    found = Page(files.html)
    assert "Speed only" in found.words
    assert "Latency distributions" in found.words
    assert "Accuracy against latency" not in found.words


def test_without_pyarrow_everything_else_is_written(
    make_run: Callable[..., Path],
    all_rows: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    files = write_report(make_run(tmp_path, all_rows))
    assert (files.parquet, files.values) == (None, None)
    assert files.parquet_reason is not None
    assert "results.parquet needs pyarrow" in files.parquet_reason
    assert files.html is not None
    assert files.lines == [
        *(str(it) for it in (files.csv, files.markdown, files.html)),
        files.parquet_reason,
    ]


def test_a_report_may_be_written_elsewhere(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    files = write_report(make_run(tmp_path / "run", all_rows[:2]), tmp_path / "other")
    assert files.csv == tmp_path / "other" / "results.csv"
    assert not (tmp_path / "run" / "report.md").exists()


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra_there_is_csv_and_markdown(
    package: str,
    make_run: Callable[..., Path],
    all_rows: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    files = write_report(make_run(tmp_path, all_rows))
    assert files.html is None
    assert files.html_reason is not None
    assert package in files.html_reason
    assert "pip install 'scunext-edge[report]'" in files.html_reason
    assert files.csv.is_file()
    assert files.markdown.is_file()
    assert not (tmp_path / "report.html").exists()


def test_an_old_page_is_not_passed_off_as_new(
    make_run: Callable[..., Path],
    all_rows: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_dir = make_run(tmp_path, all_rows)
    (run_dir / "report.html").write_text("old")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    reason = write_report(run_dir).html_reason
    assert reason is not None
    assert "earlier run" in reason
