"""The page of the server: that of :mod:`web`, with the network here instead of in the browser."""

from __future__ import annotations

import hashlib
import io
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from PIL import Image as PillowImage

from scunext_edge.data.synthetic import draw
from scunext_edge.web.pack import INDEX, PAGE

OWN = Path(__file__).parent / "page"
SHARED = (
    *("camera.js", "client.js", "decode.js", "header.js", "measure.js", "outline.js", "png.js"),
    *("refusal.js", "resize.js", "ruler.js", "save.js", "segment.js", "stage.js", "tool.js"),
    *("work.js", "style.css", "icon.svg"),
)
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src blob:; style-src 'self'; base-uri 'none'; form-action 'none'"
)
EXAMPLE = "example.png"
_EXAMPLE = (3, 4, (480, 640))  # seed, index, height and width of a drawn lesion

# What is other in index.html, each once: from, to.
_CHANGES = (
    (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
        "connect-src 'self'; img-src 'self' blob:; media-src blob:; style-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'",
        POLICY,
    ),
    ("Outlines a skin lesion in a photo, on this device alone.", "Outlines a skin lesion."),
    ('<link rel="apple-touch-icon" href="icon-192.png">\n', ""),
    ('<link rel="manifest" href="app.webmanifest">\n', ""),
    ('<script id="release" type="application/json">{}</script>\n', ""),
    (
        "<p>Photos stay on this device. Nothing is sent anywhere.</p>",
        '<p id="where">Photos go to this server and nowhere else.</p>',
    ),
    (": it does all its work in the browser.", "."),
    ("Loading, and testing itself …", "Asking the server …"),
    ("This page does not work here", "This page does not work now"),
    ('accept="image/jpeg,image/png,image/webp,image/bmp"', 'accept="image/*,.dcm,.dicom"'),
    ("JPEG, PNG, WebP or BMP, up to 50 megapixels.", "JPEG, PNG, WebP, BMP, TIFF or DICOM."),
    (
        '  <div id="tool" hidden>\n',
        """  <section id="entry" class="card" hidden>
    <h2>This server wants a token</h2>
    <p class="faint">It is kept until this tab is closed.</p>
    <form id="entry-form" class="bar">
      <input id="token" type="password" aria-label="Token" autocomplete="off" required>
      <button class="first" type="submit">Go on</button>
    </form>
    <p id="entry-problem" role="alert"></p>
  </section>

  <div id="tool" hidden>
""",
    ),
    (
        '<p id="name" class="faint"></p></div>\n',
        """<p id="name" class="faint"></p></div>
      <p id="unassessed" class="faint">Quality was not assessed: this bundle has no limits.</p>
""",
    ),
)
_STYLE = """
input[type=password] { flex: 1 1 12rem; min-height: 2.75rem; padding: .3rem .6rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--ground); color: var(--ink); font: inherit; }
"""  # noqa: E501


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of the page."""

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """Changes with the content."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


def add_page(app: FastAPI) -> None:
    """Every file of it at the root of the server."""
    for name in ("", *SHARED, *(path.name for path in OWN.iterdir()), EXAMPLE):
        app.get(f"/{name}", include_in_schema=False)(_sender(name or INDEX))


@cache
def part(name: str) -> Part:
    """A file by its name."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = "text/javascript" if name.endswith(".js") else kind
    kind += "; charset=utf-8" if kind.startswith("text/") else ""
    return Part(content=_content(name), media_type=kind)


def _content(name: str) -> bytes:
    if name == EXAMPLE:
        seed, index, size = _EXAMPLE
        stream = io.BytesIO()
        PillowImage.fromarray(draw(seed, index, size)[0]).save(stream, format="PNG")
        return stream.getvalue()
    if name == INDEX:
        text = (PAGE / INDEX).read_text(encoding="utf-8")
        for old, new in _CHANGES:
            if text.count(old) != 1:
                raise AssertionError(f"{INDEX} has {old!r} {text.count(old)} times, not once")
            text = text.replace(old, new)
        return text.encode()
    own = OWN / name
    content = (own if own.is_file() else PAGE / name).read_bytes()
    return content + _STYLE.encode() if name == "style.css" else content


def _sender(name: str) -> Callable[[Request], Response]:
    def send(request: Request) -> Response:
        found = part(name)
        headers = {
            "cache-control": "no-cache",
            "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
            "etag": found.tag,
        }
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    # FastAPI resolves annotations, which are strings here, among the names of this module.
    return send
