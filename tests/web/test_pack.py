"""The folder and the one file: small, complete, the same every time, and asking nobody"""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.storage import sha256_of
from scunext_edge.web.build import ENGINE, RECORD, read_engine, sources_sha256
from scunext_edge.web.golden import Golden
from scunext_edge.web.pack import write_web
from scunext_edge.web.single import write_single_file
from scunext_edge.weights.shipped import shipped

TEXT = {".html", ".js", ".css", ".svg", ".webmanifest"}
GOLDEN = (Golden(image=np.zeros((4, 5, 3), np.uint8), mask=np.eye(4, 5, dtype=bool)),)


def release_of(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="release"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_together_is_smaller_than_a_megabyte(web):
    assert sum(path.stat().st_size for path in web.iterdir()) < 1_000_000


def test_the_same_arguments_give_the_same_bytes(tmp_path, artifact):
    one = write_web(tmp_path / "one", artifact=artifact, golden=GOLDEN)
    two = write_web(tmp_path / "two", artifact=artifact, golden=GOLDEN)
    assert content(one) == content(two)


def test_the_page_carries_the_digest_of_every_file_that_it_checks(web, artifact):
    release = release_of(web)
    files = [*release["engines"].values(), release["network"], *release["golden"]]
    assert len(files) == 6
    for it in files:
        assert sha256_of(web / it["file"]) == it["sha256"]
    assert release["model"]["id"] == artifact.id


def test_the_service_worker_keeps_every_file_but_itself(web):
    text = (web / "sw.js").read_text(encoding="utf-8")
    digests = json.loads(re.search(r"const FILES = (\{.*?\});", text, re.DOTALL)[1])
    others = {path.name: sha256_of(path) for path in web.iterdir() if path.name != "sw.js"}
    assert digests == others
    assert re.search(r"'scunext-[0-9a-f]{16}'", text)


def test_nothing_points_outside_the_folder(web):
    for path in web.iterdir():
        if path.suffix not in TEXT:
            continue
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text), path.name
        for name in re.findall(r"(?:from '\./|src=\"|href=\"|\"src\": \")([\w.-]+)", text):
            assert (web / name).is_file(), f"{path.name} names {name}"


def test_what_the_card_says_cannot_end_the_script_that_it_stands_in(tmp_path, artifact):
    card = {"</script><b>": "a < b"}
    folder = write_web(tmp_path / "web", artifact=artifact, golden=GOLDEN, card=card)
    assert release_of(folder)["card"] == [["</script><b>", "a < b"]]


def test_only_what_gives_the_same_mask_everywhere_is_taken(tmp_path, artifact):
    with pytest.raises(ConfigError, match="native INT8"):
        write_web(tmp_path / "a", artifact=shipped("scunext", "native-fp32"), golden=GOLDEN)
    with pytest.raises(ConfigError, match="cannot test itself"):
        write_web(tmp_path / "a", artifact=artifact, golden=())
    assert not list(tmp_path.iterdir())


def test_an_engine_that_was_altered_is_refused(tmp_path, artifact):
    engine = shutil.copytree(ENGINE, tmp_path / "engine")
    with (engine / "scunext.wasm").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ArtifactError, match=r"scunext\.wasm"):
        write_web(tmp_path / "out", artifact=artifact, golden=GOLDEN, wasm=engine)
    assert not (tmp_path / "out").exists()


def test_the_engine_that_ships_was_compiled_from_these_sources():
    assert set(read_engine(ENGINE)) == {"scunext.wasm", "scunext-relaxed.wasm"}
    record = json.loads((ENGINE / RECORD).read_text(encoding="utf-8"))
    assert record["sources_sha256"] == sources_sha256(), "run: make wasm"


def test_the_single_file_needs_no_other(web, tmp_path):
    text = write_single_file(web, tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    assert not re.search(r'<(?:script|img|link)[^>]* (?:src|href)="', text)
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)
    assert len(re.findall('<script type="text/plain" data-file="', text)) == 7
