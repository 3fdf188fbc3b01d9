"""The page as one HTML file: for a stick, a mail, a device without a web server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path

from scunext_edge.storage import write_text
from scunext_edge.web.pack import INDEX

_IMPORT = re.compile(r"^import \{[^}]*\} from '\./([\w-]+\.js)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*(">)')
_STYLE = '<link rel="stylesheet" href="style.css">'
_SCRIPT = '<script type="module" src="main.js"></script>'
_LINKS = re.compile(r'<link rel="(?:icon|apple-touch-icon|manifest)"[^>]*>\n')
_DATA = (".wasm", ".scx", ".png")


def write_single_file(folder: Path, out: Path) -> Path:
    """Put what ``write_web`` wrote into ``folder`` into the one file ``out``, and return it.

    It needs no server, and so has no service worker: it works offline because it is a file.
    """
    page = (folder / INDEX).read_text(encoding="utf-8")
    style = (folder / "style.css").read_text(encoding="utf-8")
    script = joined(folder, "main.js")
    data = {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix in _DATA and not path.name.startswith("icon")
    }
    data["worker.js"] = joined(folder, "worker.js").encode()
    blocks = "".join(
        f'<script type="text/plain" data-file="{name}">'
        f"{base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()}</script>\n"
        for name, content in data.items()
    )
    policy = (
        f"default-src 'none'; script-src {_source(script)} blob: 'wasm-unsafe-eval'; "
        f"worker-src blob:; img-src blob:; media-src blob:; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _LINKS.sub("", _POLICY.sub(lambda found: f"{found[1]}{policy}{found[2]}", page))
    page = page.replace(_STYLE, f"<style>{style}</style>")
    page = page.replace(_SCRIPT, f'{blocks}<script type="module">{script}</script>')
    write_text(out, page)
    return out


def joined(folder: Path, name: str) -> str:
    """A module and all that it imports as one module, each once, what is imported first.

    The page's modules are made for this: imports are ``import {a, b} from './c.js';``, and no two
    modules declare the same name.
    """
    parts: dict[str, str] = {}

    def visit(module: str) -> None:
        if module in parts:
            return
        parts[module] = ""  # a circle would otherwise have no end
        text = (folder / module).read_text(encoding="utf-8")
        for imported in _IMPORT.findall(text):
            visit(imported)
        del parts[module]
        parts[module] = _EXPORT.sub("", _IMPORT.sub("", text))

    visit(name)
    return "\n".join(parts.values()).replace("</script", "<\\/script")


def _source(text: str) -> str:
    """What a policy calls this very text."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
