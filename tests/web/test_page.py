"""The page in a real browser, as its user meets it."""

from __future__ import annotations

import base64
import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image, ImageCms

from scunext_edge.data.images import read_image, read_mask
from scunext_edge.data.synthetic import draw
from scunext_edge.pipeline.web.browser import choose_file
from scunext_edge.pipeline.web.server import served
from scunext_edge.runtime.contour import contour, overlay
from scunext_edge.web.golden import draw_golden
from scunext_edge.web.pack import write_web
from scunext_edge.web.single import write_single_file

OPEN = "!document.getElementById('tool').hidden"
REFUSED = (
    "!document.getElementById('refusal').hidden && document.getElementById('refusal').innerText"
)
PROBLEM = (
    "!document.getElementById('problem').hidden && document.getElementById('problem').innerText"
)


@pytest.fixture(scope="module")
def url(web):
    with served(web) as address:
        yield address


@pytest.fixture
def page(browser, url):
    """Open and tested; a word on the console, or a request to anybody else, is a failure."""
    opened = browser.open_page(url)
    opened.wait_for(OPEN)
    yield opened
    said, asked = opened.said(), opened.requested()
    opened.close()
    assert said == []
    assert [it for it in asked if not it.startswith((url, "blob:"))] == []


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "lesion.png"
    Image.fromarray(draw(3, 4, (300, 400))[0]).save(path)
    return path


def text(page, id):
    return page.evaluate(f"document.getElementById('{id}').textContent")


def click(page, id):
    page.evaluate(f"document.getElementById('{id}').click()")


def enter(page, id, value):
    page.evaluate(
        f"(() => {{ const it = document.getElementById('{id}'); it.value = '{value}';"
        " it.dispatchEvent(new Event('input')); })()"
    )


def segment(page, path):
    choose_file(page, "#file", path.resolve())
    name = json.dumps(f"{path.name}, ")
    page.wait_for(f"document.getElementById('name').textContent.startsWith({name})")


def wait_for_area(page, mask):
    page.wait_for(f"document.getElementById('pixels').textContent === '{mask.sum():,}'")


def saved(page, browser, folder, id, name):
    """The file that a click on a button puts into the user's folder of downloads."""
    browser.call("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    click(page, id)
    limit = time.monotonic() + 20
    while not (folder / name).exists() or list(folder.glob("*.crdownload")):
        assert time.monotonic() < limit, f"{name} was not saved"
        time.sleep(0.02)
    return folder / name


def test_a_photo_gets_the_mask_that_python_gives_it(page, browser, predictor, photo, tmp_path):
    segment(page, photo)
    image = read_image(photo)
    mask = predictor.predict(image).mask
    assert mask.any()
    wait_for_area(page, mask)
    found = read_mask(saved(page, browser, tmp_path, "save-mask", "lesion.mask.png"))
    np.testing.assert_array_equal(found, mask)
    drawn = read_image(saved(page, browser, tmp_path, "save-overlay", "lesion.overlay.png"))
    np.testing.assert_array_equal(drawn, overlay(image, mask))
    record = json.loads(saved(page, browser, tmp_path, "save-json", "lesion.json").read_text())
    assert record["contour"] == [[list(point) for point in loop] for loop in contour(mask)]
    assert record["area_pixels"] == mask.sum()
    assert (record["image"]["width"], record["image"]["height"]) == (400, 300)
    assert record["area_mm2"] is None


def test_a_mask_not_to_be_used_is_an_alert_with_the_remedy(page, browser, photo, tmp_path):
    dark = tmp_path / "dark.png"
    Image.fromarray(read_image(photo) // 12).save(dark)
    segment(page, dark)
    page.wait_for("!document.getElementById('doubts').hidden")
    assert "Do not use this mask:" in text(page, "doubts")
    assert "too dark: add light" in text(page, "doubts-reasons")
    page.wait_for("document.getElementById('status').textContent.startsWith('Do not use')")
    record = json.loads(saved(page, browser, tmp_path, "save-json", "dark.json").read_text())
    assert not record["quality"]["usable"]
    assert "too_dark" in [it["name"] for it in record["quality"]["flags"]]


def test_the_threshold_cuts_again_without_the_network(page, predictor, photo):
    segment(page, photo)
    logits = predictor.predict(read_image(photo)).logits_hw
    before = text(page, "time")
    for threshold in (140, 100, 90):
        enter(page, "threshold", threshold)
        wait_for_area(page, logits > (threshold - 128) / 16)
    assert text(page, "score") == "90"
    assert text(page, "time") == before
    click(page, "reset")
    wait_for_area(page, logits > 0)


def test_a_ruler_turns_pixels_into_square_millimetres(page, predictor, photo):
    segment(page, photo)
    click(page, "marking")
    assert text(page, "mm2") == "needs a ruler"
    enter(page, "length", "24")
    # From a fifth to four fifths of 400 pixels: 240 pixels are 24 mm
    area = predictor.predict(read_image(photo)).mask.sum() / 100
    assert float(text(page, "mm2").replace(",", "")) == pytest.approx(area, rel=0.005)
    page.evaluate("document.getElementById('mark-2').focus()")
    for _ in range(24):  # Shift and an arrow: ten pixels
        page.evaluate(
            "document.activeElement.dispatchEvent("
            "new KeyboardEvent('keydown', {key: 'ArrowLeft', shiftKey: true, bubbles: true}))"
        )
    assert text(page, "mm2") == "needs a ruler"  # both ends at one point


def test_a_jpeg_is_turned_upright(page, predictor, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw(3, 7, (240, 320))[0]).save(path, quality=92, exif=exif)
    segment(page, path)
    assert text(page, "name") == "turned.jpg, 240 × 320"  # noqa: RUF001
    wait_for_area(page, predictor.predict(read_image(path)).mask)


def pictures():
    """Ways to store one picture, by file name."""
    image = Image.fromarray(draw(3, 7, (121, 163))[0])
    exif = Image.Exif()
    exif[0x0112] = 8
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    return {
        "halved.jpg": (image, {"quality": 80}),
        "full.jpg": (image, {"quality": 90, "subsampling": 0}),
        "progressive.jpg": (image, {"progressive": True}),
        "gray.jpg": (image.convert("L"), {}),
        "turned.jpg": (image, {"exif": exif}),
        "turned.png": (image, {"exif": exif}),
        "profile.png": (image, {"icc_profile": profile}),
        "palette.png": (image.convert("P"), {}),
        "opaque.png": (image.convert("RGBA"), {}),
        "lossy.webp": (image, {"quality": 80}),
        "lossless.webp": (image, {"lossless": True}),
        "plain.bmp": (image, {}),
    }


def test_a_picture_has_the_pixels_that_python_reads(page, tmp_path):
    for name, (image, options) in pictures().items():
        image.save(tmp_path / name, **options)
        content = base64.b64encode((tmp_path / name).read_bytes()).decode()
        height, found = page.evaluate(
            f"""import('./decode.js').then(async ({{decode}}) => {{
                const bytes = Uint8Array.from(atob('{content}'), (it) => it.charCodeAt(0));
                const {{height, rowsOf}} = await decode(bytes);
                const rows = Array.from({{length: height}}, (_, y) => [...rowsOf(y, 1)]);
                return [height, btoa(rows.map((it) => String.fromCharCode(...it)).join(''))];
            }})"""
        )
        rgba = np.frombuffer(base64.b64decode(found), np.uint8).reshape(height, -1, 4)
        np.testing.assert_array_equal(rgba[:, :, :3], read_image(tmp_path / name), name)


def test_what_cannot_be_segmented_is_refused_and_the_photo_before_stays(page, photo, tmp_path):
    segment(page, photo)
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (40, 30), (200, 150, 130, 128)).save(clear)
    choose_file(page, "#file", clear)
    assert "transparent" in page.wait_for(PROBLEM)
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:2000])
    choose_file(page, "#file", broken)
    assert "cannot be decoded" in page.wait_for(
        f"({PROBLEM} || '').includes('decoded') && {PROBLEM}"
    )
    assert text(page, "name").startswith("lesion.png")
    enter(page, "threshold", 150)
    page.wait_for("document.getElementById('score').textContent === '150'")


def test_the_camera_takes_a_photo_and_says_why_it_cannot(page, browser, url):
    camera = {"origin": url.rstrip("/"), "permission": {"name": "camera"}}
    browser.call("Browser.setPermission", {**camera, "setting": "denied"})
    click(page, "camera")
    assert "The camera was refused. Allow it" in page.wait_for(PROBLEM)
    browser.call("Browser.setPermission", {**camera, "setting": "granted"})
    click(page, "camera")
    page.wait_for("document.getElementById('video').videoWidth > 0")
    click(page, "shutter")
    page.wait_for("document.getElementById('name').textContent.startsWith('camera.png')")
    assert not page.evaluate("document.getElementById('camera-dialog').open")


def test_it_works_with_the_network_cut(browser, web, photo):
    with served(web) as address:
        first = browser.open_page(address)
        first.wait_for(
            "document.getElementById('offline').textContent.includes('without a network')"
        )
        first.close()
    again = browser.open_page(address)  # the server is gone
    again.wait_for(OPEN)
    segment(again, photo)
    wanted = again.evaluate("fetch('network.scx').then((it) => it.status)")
    again.close()
    assert wanted == 200


def test_a_newer_page_is_offered_and_taken(browser, web, artifact, tmp_path):
    folder = shutil.copytree(web, tmp_path / "web")
    kept = "document.getElementById('offline').textContent.includes('without a network')"
    with served(folder) as address:
        page = browser.open_page(address)
        page.wait_for(kept)
        golden = draw_golden(artifact)
        write_web(folder, artifact=artifact, golden=golden, card={"Newer": "yes"})
        page.call("Page.reload")
        page.wait_for("!document.getElementById('renew').hidden")
        assert "Newer" not in text(page, "card")
        click(page, "renew")
        page.wait_for("document.getElementById('card').textContent.includes('Newer')")
        page.close()


def test_it_can_be_installed(page):
    page.wait_for("document.getElementById('offline').textContent.includes('without a network')")
    assert page.call("Page.getAppManifest")["errors"] == []
    assert page.call("Page.getInstallabilityErrors")["installabilityErrors"] == []


@pytest.mark.parametrize("name", ["scunext-relaxed.wasm", "network.scx", "golden-1.png"])
def test_an_altered_file_is_refused_by_name(browser, web, tmp_path, name):
    folder = shutil.copytree(web, tmp_path / "web")
    altered = bytearray((folder / name).read_bytes())
    altered[len(altered) // 2] ^= 1
    (folder / name).write_bytes(altered)
    with served(folder) as address:
        page = browser.open_page(address)
        assert f"{name} is not the file" in page.wait_for(REFUSED)
        assert page.evaluate("document.getElementById('tool').hidden")
        page.close()


def test_a_self_test_that_fails_shuts_the_page(browser, web, tmp_path):
    """Another mask is expected: as if this browser computed another one."""
    folder = shutil.copytree(web, tmp_path / "web")
    index = (folder / "index.html").read_text(encoding="utf-8")
    at = index.index('"mask_sha256": "') + len('"mask_sha256": "')
    changed = index[:at] + "0123456789abcdef" + index[at + 16 :]
    (folder / "index.html").write_text(changed, encoding="utf-8")
    with served(folder) as address:
        page = browser.open_page(address)
        assert "self-test failed: the mask of golden-1.png" in page.wait_for(REFUSED)
        assert page.evaluate("document.getElementById('tool').hidden")
        page.close()


def test_a_browser_without_simd_is_told_so(browser, url):
    page = browser.open_page("about:blank")
    source = "WebAssembly.validate = () => false"
    page.call("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    page.call("Page.navigate", {"url": url})
    assert "no WebAssembly SIMD" in page.wait_for(REFUSED)
    page.close()


def test_plain_http_from_elsewhere_is_refused(browser, url):
    page = browser.open_page(url.replace("127.0.0.1", "plain.test"))
    assert "plain http" in page.wait_for(REFUSED)
    page.close()


def test_the_single_file_works_without_any_server(browser, web, predictor, photo, tmp_path):
    path = write_single_file(web, tmp_path / "page.html")
    page = browser.open_page(path.as_uri())
    page.wait_for(OPEN)
    segment(page, photo)
    wait_for_area(page, predictor.predict(read_image(photo)).mask)
    assert page.said() == []
    page.close()
