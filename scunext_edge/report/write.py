"""One call: a run directory gets its tables and its pages; several get a page that joins them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.errors import ConfigError
from scunext_edge.report import history, matrix
from scunext_edge.report.flat import to_csv, write_rows, write_values
from scunext_edge.report.markdown import to_markdown
from scunext_edge.report.records import Run, read_run
from scunext_edge.storage import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What was written. Where a file is None, its reason says why and what to do."""

    csv: Path
    markdown: Path
    html: Path | None
    html_reason: str | None = None
    parquet: Path | None = None
    values: Path | None = None
    parquet_reason: str | None = None

    @property
    def lines(self) -> list[str]:
        """A line per file, or the reason why it is not there."""
        files = (self.csv, self.parquet, self.values, self.markdown, self.html)
        reasons = (self.parquet_reason, self.html_reason)
        return [str(it) for it in (*filter(None, files), *filter(None, reasons))]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointFiles:
    """A page that joins several runs."""

    markdown: Path
    html: Path | None
    html_reason: str | None = None

    @property
    def lines(self) -> list[str]:
        """A line per file, or the reason why it is not there."""
        return [str(self.markdown), str(self.html or self.html_reason)]


def write_report(run_dir: Path, out: Path | None = None) -> ReportFiles:
    """Write tables and pages of what ``run_dir`` holds, there or in ``out``.

    Raises ``ArtifactError`` for results or records that are missing, incomplete or of another
    run, and ``StorageError`` where the folder takes no files.
    """
    run, folder = read_run(run_dir), out or run_dir
    csv, markdown = folder / "results.csv", folder / "report.md"
    write_text(csv, to_csv(run.rows))
    write_text(markdown, to_markdown(run))
    parquet, values = folder / "results.parquet", folder / "values.parquet"
    without_parquet = _lacking(parquet, ("pyarrow",))
    if not without_parquet:
        write_rows(parquet, run.rows)
        write_values(values, run)
    page = folder / "report.html"
    html_reason = _lacking(page, ("jinja2", "matplotlib"))
    if not html_reason:
        from scunext_edge.report.html import to_html

        write_text(page, to_html(run))
    return ReportFiles(
        csv=csv,
        markdown=markdown,
        html=None if html_reason else page,
        html_reason=html_reason,
        parquet=None if without_parquet else parquet,
        values=None if without_parquet else values,
        parquet_reason=without_parquet,
    )


def write_joint(run_dirs: Sequence[Path], out: Path, *, over_time: bool = False) -> JointFiles:
    """Several runs as one page: ``history`` of one machine, else devices side by side.

    ``over_time`` asks for the history of every machine. Errors as in :func:`write_report`.
    """
    if len(run_dirs) < 2:
        raise ConfigError("a history needs several runs", hint="name more than one folder")
    runs = [read_run(directory) for directory in run_dirs]
    if over_time or len({matrix.machine_of(run) for run in runs}) == 1:
        return _joint(runs, out / "history", history.to_markdown, history.to_html)
    return _joint(runs, out / "devices", matrix.to_markdown, matrix.to_html)


def _joint(
    runs: Sequence[Run],
    path: Path,
    to_text: Callable[[Sequence[Run]], str],
    to_page: Callable[[Sequence[Run]], str],
) -> JointFiles:
    markdown, page = path.with_suffix(".md"), path.with_suffix(".html")
    write_text(markdown, to_text(runs))
    if reason := _lacking(page, ("jinja2", "matplotlib")):
        return JointFiles(markdown=markdown, html=None, html_reason=reason)
    write_text(page, to_page(runs))
    return JointFiles(markdown=markdown, html=page)


def _lacking(path: Path, packages: Sequence[str]) -> str | None:
    missing = [name for name in packages if not importlib.util.find_spec(name)]
    if not missing:
        return None
    stale = f"; {path} is from an earlier run" if path.exists() else ""
    return (
        f"{path.name} needs {' and '.join(missing)}, which "
        f"{'is' if len(missing) == 1 else 'are'} not installed: "
        f"pip install 'scunext-edge[report]'{stale}"
    )
