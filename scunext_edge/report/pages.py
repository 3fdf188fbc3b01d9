"""Pages as one HTML file each that needs no network: styles and drawings lie inside it."""

from __future__ import annotations

from typing import Any


def render(template: str, **context: Any) -> str:
    """Fill a template. Text from a run is escaped; drawings of ours are not."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scunext_edge.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**context)
