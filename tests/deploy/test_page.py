"""A bundle for browsers: what is in it, what keeps a network out of it, and itself in Chromium."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from scunext_edge.data.images import read_mask
from scunext_edge.deploy.bundle import read
from scunext_edge.deploy.make import make
from scunext_edge.deploy.start import start
from scunext_edge.deploy.verify import verify
from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.web.browser import find_chromium, open_browser
from scunext_edge.pipeline.web.server import served
from scunext_edge.storage import sha256_of
from scunext_edge.web.golden import Golden

OPEN = "!document.getElementById('tool').hidden"
WARNING = (
    "!document.getElementById('warning').hidden && document.getElementById('warning').textContent"
)
WEB = {"target": "web", "wheel": None, "wheels": None}


@pytest.fixture(scope="module")
def made(tmp_path_factory, settings):
    out = tmp_path_factory.mktemp("web") / "bundle"
    assert make(settings(out, **WEB)).refusal is None
    return out


@pytest.fixture(scope="module")
def failed(tmp_path_factory, settings, native_rows, write_run):
    """Taken in by --allow-failed."""
    folder = tmp_path_factory.mktemp("failed")
    rows = [replace(it, gate="failed") if it.precision == "int8" else it for it in native_rows]
    run = write_run(folder / "run", rows)
    refused = make(settings(folder / "refused", **WEB, run=run))
    assert "its accuracy gate failed" in refused.refusal
    assert not (folder / "refused").exists()
    assert make(settings(folder / "out", **WEB, run=run, allow_failed=True)).did_not_pass
    return folder / "out"


def release_of(folder):
    page = (folder / "page" / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="release"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def test_it_is_whole_and_signed_and_has_no_python(made, key):
    assert verify(made, key).findings == ()
    assert {path.name for path in made.iterdir()} == {
        "bundle.json", "contract.json", "evidence.json", "golden", "manifest.sha256",
        "model-card.json", "model-card.md", "models", "page", "page.html", "quality.json",
        "sbom.cdx.json", "signature.json",
    }  # fmt: skip


def test_it_holds_int8_alone_and_claims_no_time(made):
    (rung,) = read(made).rungs
    assert (rung.name, rung.gate, rung.most_flipped) == ("native-int8", "passed", 0)
    assert rung.gate_of == "the same file on the native engine outside a browser"
    assert (rung.claim_ms, rung.stability, read(made).limit_ms) == (None, None, None)
    (model,) = (made / rung.model).glob("*.scx")
    assert sha256_of(model) == sha256_of(made / "page" / "network.scx")


def test_the_page_tests_itself_with_the_bundles_golden_masks(made):
    (rung,) = read(made).rungs
    masks = [read_mask(made / rung.masks / name) for name in read(made).golden]
    expected = [Golden(image=None, mask=it).mask_sha256() for it in masks]
    assert [it["mask_sha256"] for it in release_of(made)["golden"]] == expected
    assert len(expected) == 3


def test_its_cards_show_scores_and_gate(made):
    release = release_of(made)
    told = dict(release["card"])
    assert told["Accuracy gate"] == "passed, on 9 images of made up (test); mean Dice 0.800"
    assert "isic2017" in told["Trained on"]
    assert release["warning"] is None
    text = (made / "model-card.md").read_text()
    assert "| native-int8 | passed (of the same file on the native engine outside a brow" in text
    assert "acceptance record" not in text


def test_its_bill_of_materials_lists_the_engine_and_the_network(made):
    parts = json.loads((made / "sbom.cdx.json").read_text())["components"]
    kinds = {it["name"]: it["type"] for it in parts}
    assert kinds == {
        "scunext-native-int8": "machine-learning-model",
        "scunext.wasm": "library",
        "scunext-relaxed.wasm": "library",
    }
    for it in parts:
        if it["type"] == "library":
            assert it["hashes"][0]["content"] == sha256_of(made / "page" / it["name"])


@pytest.mark.parametrize("name", ["page/index.html", "page/sw.js", "page/network.scx", "page.html"])
def test_an_altered_file_is_named(made, key, name):
    path = made / name
    content = path.read_bytes()
    try:
        path.write_bytes(content.replace(b"a", b"b", 1))
        assert [str(it) for it in verify(made, key).findings] == [f"{name}: was altered"]
    finally:
        path.write_bytes(content)


def test_a_network_without_int8_is_no_page(tmp_path, settings, native_rows, write_run):
    run = write_run(tmp_path / "run", [it for it in native_rows if it.precision == "fp32"])
    found = make(settings(tmp_path / "out", **WEB, run=run))
    assert "no form may go in" in found.refusal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"serve": True, "online": True}, "--online, --serve means nothing there"),
        ({"backends": ("onnxruntime",)}, "holds no onnxruntime"),
    ],
)
def test_what_means_nothing_in_a_page_is_refused(tmp_path, settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        make(settings(tmp_path / "out", **WEB, **changes))
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_start(made, key, tmp_path):
    with pytest.raises(ConfigError, match="is a page for browsers"):
        start(made, tmp_path / "state", key)


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    with open_browser() as opened:
        yield opened


def test_it_opens_tests_itself_and_then_needs_no_network(browser, made):
    with served(made / "page") as address:
        page = browser.open_page(address)
        page.wait_for(OPEN)
        tested = page.evaluate("document.getElementById('tested').textContent")
        assert tested.startswith("Self-test passed: 3 pictures, every pixel as expected")
        assert "passed, on 9 images" in page.evaluate("document.getElementById('card').textContent")
        assert page.evaluate(WARNING) is False
        page.wait_for(
            "document.getElementById('offline').textContent.includes('without a network')"
        )
        assert [it for it in page.requested() if not it.startswith((address, "blob:"))] == []
        page.close()
    again = browser.open_page(address)  # the server is gone
    again.wait_for(OPEN)
    again.close()


def test_the_one_file_opens_without_any_server(browser, made):
    page = browser.open_page((made / "page.html").as_uri())
    page.wait_for(OPEN)
    page.close()


def test_a_page_whose_network_did_not_pass_says_so_on_its_face(browser, failed, key):
    assert verify(failed, key).findings == ()
    assert "**NOT PASSED: native-int8." in (failed / "model-card.md").read_text()
    page = browser.open_page((failed / "page.html").as_uri())
    page.wait_for(OPEN)
    assert "did not pass its accuracy gate" in page.evaluate(WARNING)
    page.close()
