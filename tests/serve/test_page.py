"""The server's page in a real browser, on a phone's screen and on a large one."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.images import read_image, read_mask
from scunext_edge.data.synthetic import draw
from scunext_edge.pipeline.web.browser import choose_file, find_chromium, open_browser
from scunext_edge.runtime.contour import overlay
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.serve.page import EXAMPLE, OWN, SHARED, part
from scunext_edge.weights.shipped import shipped

OPEN = "!document.getElementById('tool').hidden"
PROBLEM = (
    "!document.getElementById('problem').hidden && document.getElementById('problem').innerText"
)


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def predictor(device):
    form = json.loads((device.state / "acceptance.json").read_text())["activated"]
    runner = open_runner(shipped("scunext", form), "native")
    yield Predictor(runner)
    runner.close()


@pytest.fixture(params=[(1280, 800), (390, 844)], ids=["desktop", "phone"])
def page(browser, device, request):
    """Open; a word on the console, or a request to anybody else, is a failure."""
    opened = browser.open_page(device.url, width=request.param[0], height=request.param[1])
    opened.wait_for(OPEN)
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") <= request.param[0]
    said, asked = opened.said(), opened.requested()
    opened.close()
    assert said == []
    assert [it for it in asked if not it.startswith((device.url, "blob:"))] == []


def text(page, id):
    return page.evaluate(f"document.getElementById('{id}').textContent")


def segment(page, path):
    choose_file(page, "#file", path.resolve())
    page.wait_for(
        f"document.getElementById('name').textContent.startsWith({json.dumps(path.name)})"
    )


def wait_for_area(page, mask):
    page.wait_for(f"document.getElementById('pixels').textContent === '{mask.sum():,}'")


def saved(page, browser, folder, id, name):
    browser.call("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    page.evaluate(f"document.getElementById('{id}').click()")
    limit = time.monotonic() + 20
    while not (folder / name).exists() or list(folder.glob("*.crdownload")):
        assert time.monotonic() < limit, f"{name} was not saved"
        time.sleep(0.02)
    return folder / name


def test_a_photo_is_segmented_by_the_server_and_cut_here(page, browser, predictor, tmp_path):
    photo = tmp_path / "lesion.png"
    Image.fromarray(draw(3, 4, (300, 400))[0]).save(photo)
    segment(page, photo)
    found = predictor.predict(read_image(photo))
    assert found.mask.any()
    wait_for_area(page, found.mask)
    mask = read_mask(saved(page, browser, tmp_path, "save-mask", "lesion.mask.png"))
    np.testing.assert_array_equal(mask, found.mask)
    record = json.loads(saved(page, browser, tmp_path, "save-json", "lesion.json").read_text())
    assert (record["kind"], record["area_pixels"]) == ("server-segmentation", found.mask.sum())
    assert record["versions"]["engine"] == "native"
    page.evaluate(
        "(() => { const it = document.getElementById('threshold'); it.value = 140;"
        " it.dispatchEvent(new Event('input')); })()"
    )
    wait_for_area(page, found.logits_hw > (140 - 128) / 16)
    assert "does not store them" in text(page, "where")
    assert page.evaluate("document.getElementById('warning').hidden")
    assert page.evaluate("document.getElementById('unassessed').hidden")
    assert page.evaluate("document.getElementById('doubts').hidden") is record["quality"]["usable"]


def test_a_dark_photo_is_answered_with_do_not_use_this_mask(page, tmp_path):
    photo = tmp_path / "dark.png"
    Image.fromarray(draw(3, 4, (300, 400))[0] // 8).save(photo)
    segment(page, photo)
    page.wait_for("!document.getElementById('doubts').hidden")
    assert "Do not use this mask:" in text(page, "doubts")
    assert "too dark: add light" in text(page, "doubts-reasons")


def test_a_format_that_browsers_do_not_read_is_shown_as_the_server_read_it(
    page, browser, predictor, tmp_path
):
    for name in ("lesion.tif", "deep.png"):
        path = tmp_path / name
        image = draw(3, 7, (120, 160))[0]
        if name == "deep.png":
            Image.fromarray(image[:, :, 0].astype(np.uint16) * 257).save(path)
        else:
            Image.fromarray(image).save(path)
        segment(page, path)
        mask = predictor.predict(read_image(path)).mask
        wait_for_area(page, mask)
        stem = path.stem
        drawn = read_image(saved(page, browser, tmp_path, "save-overlay", f"{stem}.overlay.png"))
        np.testing.assert_array_equal(drawn, overlay(read_image(path), mask))


def test_what_the_server_refuses_is_said_in_words(browser, device, tmp_path):
    page = browser.open_page(device.url)
    page.wait_for(OPEN)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    choose_file(page, "#file", tmp_path / "cut.jpg")
    assert "cannot be read" in page.wait_for(PROBLEM) or "no image" in page.wait_for(PROBLEM)
    page.close()


def test_a_token_is_asked_for_and_kept_for_the_tab(browser, serve):
    with serve(token="0123456789abcdef") as server:
        page = browser.open_page(server.url, width=390, height=844)
        page.wait_for("!document.getElementById('entry').hidden")
        assert page.evaluate("document.activeElement.id") == "token"
        for token, then in (("wrong", "document.getElementById('entry-problem').textContent"),
                            ("0123456789abcdef", OPEN)):  # fmt: skip
            page.evaluate(
                f"document.getElementById('token').value = '{token}';"
                "document.getElementById('entry-form').requestSubmit()"
            )
            page.wait_for(then)
        page.call("Page.reload")
        page.wait_for(OPEN)
        assert "did not pass its accuracy gate" in text(page, "warning")
        assert page.evaluate("!document.getElementById('warning').hidden")
        page.evaluate("document.getElementById('example').click()")
        page.wait_for("document.getElementById('name').textContent.startsWith('drawn-lesion')")
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        page.close()


def test_it_says_why_the_server_is_not_ready(browser, serve, fake_worker):
    with serve(worker=(*fake_worker, "the acceptance does not hold"), ready=False) as server:
        page = browser.open_page(server.url)
        page.wait_for("document.getElementById('loading').textContent.includes('does not hold')")
        assert page.evaluate("document.getElementById('tool').hidden")
        page.close()


def test_an_answer_that_is_not_the_servers_is_said_in_words(browser, serve):
    with serve() as server:
        page = browser.open_page(server.url)
        page.wait_for(OPEN)
        said = page.evaluate(
            "import('./told.js').then(({toldBy}) => toldBy(new Response('<p>', {status: 502})))"
            ".catch((error) => `${error.name}: ${error.message}`)"
        )
        page.close()
    assert said.startswith("Refusal: The answer (502) was cut off, or is not")


def test_every_module_that_is_imported_is_served():
    names = {*SHARED, *(it.name for it in OWN.iterdir())}
    for name in names:
        if name.endswith(".js"):
            for line in part(name).content.decode().splitlines():
                if line.startswith("import "):
                    assert line.split("'./")[1].rstrip("';") in names, (name, line)
    assert part(EXAMPLE).media_type == "image/png"
