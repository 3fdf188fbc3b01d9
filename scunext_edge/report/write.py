"""One call: a run directory gets its CSV, its Markdown and its HTML report."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.report.markdown import to_markdown
from scunext_edge.report.records import read_run
from scunext_edge.report.table import to_csv
from scunext_edge.storage import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What was written. Where ``html`` is None, ``html_reason`` says why and what to do."""

    csv: Path
    markdown: Path
    html: Path | None
    html_reason: str | None = None


def write_report(run_dir: Path) -> ReportFiles:
    """Write ``results.csv``, ``report.md`` and ``report.html`` from what ``run_dir`` holds.

    Raises ``ArtifactError`` for results or records that are missing, incomplete or of another
    run, and ``StorageError`` where the folder takes no files.
    """
    run = read_run(run_dir)
    csv, markdown = run_dir / "results.csv", run_dir / "report.md"
    write_text(csv, to_csv(run.rows))
    write_text(markdown, to_markdown(run))
    page = run_dir / "report.html"
    if reason := _no_html(page):
        return ReportFiles(csv=csv, markdown=markdown, html=None, html_reason=reason)
    from scunext_edge.report.html import to_html

    write_text(page, to_html(run))
    return ReportFiles(csv=csv, markdown=markdown, html=page)


def _no_html(page: Path) -> str | None:
    missing = [name for name in ("jinja2", "matplotlib") if not importlib.util.find_spec(name)]
    if not missing:
        return None
    stale = f"; {page} is from an earlier run" if page.exists() else ""
    return (
        f"report.html needs {' and '.join(missing)}, which "
        f"{'is' if len(missing) == 1 else 'are'} not installed: "
        f"pip install 'scunext-edge[report]'{stale}"
    )
