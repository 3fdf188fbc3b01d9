"""The official archives in small, served by a local server that breaks off where told to."""

from __future__ import annotations

import hashlib
import http.server
import io
import sys
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data import fetch as module
from scunext_edge.data import transfer
from scunext_edge.data.datasets import open_dataset
from scunext_edge.data.fetch import SOURCES, fetch, unpack
from scunext_edge.data.splits import find_split
from scunext_edge.data.transfer import download
from scunext_edge.errors import BackendMissing, ConfigError, DataError, StorageError


class Server(http.server.ThreadingHTTPServer):
    """``files``: name -> bytes. ``cuts``: how many bytes to send before hanging up, request by
    request; afterwards everything is sent. ``log``: (name, Range header, status)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.log = {}, [], []
        self.etags = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        content = self.server.files.get(name)
        if content is None:
            self.server.log.append((name, None, 404))
            self.send_error(404)
            return
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and self.headers.get("If-Range") not in (None, etag):
            start, asked = 0, None
        status = 200 if not asked else 206 if start < len(content) else 416
        self.server.log.append((name, self.headers.get("Range"), status))
        self.send_response(status)
        body = b"" if status == 416 else content[start:]
        self.send_header("Content-Length", str(len(body)))
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(content)}")
        if self.server.etags:
            self.send_header("ETag", etag)
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


CONTENT = np.random.default_rng(0).bytes(300_000)
BLOCK = 65536  # what is written at once
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def big(server):
    server.files["big.zip"] = CONTENT
    return f"{server.url}/big.zip"


def packed(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def archives(server, picture, blob):
    """isic2017's six archives, two pairs each."""
    number = 0
    for images, masks in SOURCES["isic2017"].archives.values():
        names = [f"ISIC_{number + i:07d}" for i in range(2)]
        number += 2
        server.files[f"{images}.zip"] = packed(
            {f"{images}/{n}.jpg": png(picture(i)) for i, n in enumerate(names)}
            | {f"{images}/{n}_superpixels.png": png(picture(9)) for n in names}
            | {f"{images}/LICENSE.txt": b"CC0"}
        )
        server.files[f"{masks}.zip"] = packed(
            {f"{masks}/{n}_segmentation.png": png(blob().astype(np.uint8) * 255) for n in names}
        )
    return server


def test_the_first_download_records_its_digest(big, tmp_path):
    path = tmp_path / "archives" / "big.zip"
    assert download(big, path) == DIGEST
    assert path.read_bytes() == CONTENT
    assert (path.parent / "big.zip.sha256").read_text() == f"{DIGEST}  big.zip\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["big.zip", "big.zip.sha256"]


def test_a_file_that_is_there_and_sound_is_not_asked_for_again(big, server, tmp_path):
    for _ in range(2):
        assert download(big, tmp_path / "big.zip") == DIGEST
    assert len(server.log) == 1


def test_a_connection_that_breaks_is_taken_up_where_it_stopped(big, server, tmp_path):
    server.cuts = [2 * BLOCK, BLOCK]
    assert download(big, tmp_path / "big.zip") == DIGEST
    ranges = [(asked, status) for _, asked, status in server.log]
    assert ranges == [(None, 200), ("bytes=131072-", 206), ("bytes=196608-", 206)]


def test_an_interrupted_download_goes_on_in_the_next_call(big, server, tmp_path):
    server.cuts = [BLOCK, BLOCK, 0]
    with pytest.raises(DataError, match=r"cannot download http.*big\.zip") as caught:
        download(big, tmp_path / "big.zip")
    assert "it goes on" in caught.value.hint
    assert not (tmp_path / "big.zip").exists()
    assert (tmp_path / "big.zip.part").stat().st_size == 2 * BLOCK

    server.log.clear()
    assert download(big, tmp_path / "big.zip") == DIGEST
    assert server.log == [("big.zip", "bytes=131072-", 206)]


def test_ctrl_c_keeps_what_arrived(big, server, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(transfer._Resuming, "_is_whole", interrupt)
        patched.setattr("requests.Response.raise_for_status", interrupt)
        server.cuts = [1000]
        with pytest.raises(KeyboardInterrupt):
            download(big, tmp_path / "big.zip")
    assert download(big, tmp_path / "big.zip") == DIGEST


def test_a_part_that_is_whole_already_is_not_fetched_again(big, server, tmp_path):
    server.cuts = [0, 0, 0]
    with pytest.raises(DataError):
        download(big, tmp_path / "big.zip")
    (tmp_path / "big.zip.part").write_bytes(CONTENT)
    server.log.clear()
    assert download(big, tmp_path / "big.zip") == DIGEST
    assert server.log == [("big.zip", "bytes=300000-", 416)]


@pytest.mark.parametrize("etags", [True, False])
def test_a_part_of_an_older_file_is_thrown_away(big, server, tmp_path, etags):
    server.etags = etags
    server.cuts = [BLOCK, 0, 0] if etags else [3 * BLOCK, 2 * BLOCK, BLOCK]
    with pytest.raises(DataError):
        download(big, tmp_path / "big.zip")
    server.files["big.zip"] = CONTENT[::-1]
    assert download(big, tmp_path / "big.zip") == hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert server.log[-1][2] == 200


def test_a_file_that_changed_on_the_server_is_refused(big, server, tmp_path):
    path = tmp_path / "big.zip"
    download(big, path)
    path.unlink()
    server.files["big.zip"] = CONTENT[:-1] + b"?"
    with pytest.raises(DataError, match="changed since the first download") as caught:
        download(big, path)
    assert "big.zip.sha256" in caught.value.hint
    assert not path.exists()


def test_a_file_that_changed_on_this_disk_is_fetched_again(big, server, tmp_path):
    path = tmp_path / "big.zip"
    download(big, path)
    path.write_bytes(b"damaged")
    assert download(big, path) == DIGEST
    assert path.read_bytes() == CONTENT


def test_a_damaged_record_is_an_error(big, tmp_path):
    (tmp_path / "big.zip.sha256").write_text("not a digest\n")
    with pytest.raises(DataError, match="holds no SHA-256"):
        download(big, tmp_path / "big.zip")


def test_a_server_that_is_not_there_and_a_file_that_is_not_there_are_errors(server, tmp_path):
    with pytest.raises(DataError, match="404"):
        download(f"{server.url}/none.zip", tmp_path / "none.zip")
    with pytest.raises(DataError, match="cannot download"):
        download("http://127.0.0.1:9/none.zip", tmp_path / "none.zip")
    assert list(tmp_path.glob("none.zip")) == []


def test_a_folder_that_cannot_be_written_is_a_storage_error(big, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        download(big, tmp_path / "file" / "big.zip")


def test_without_pooch_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(BackendMissing, match="pooch") as caught:
        fetch("isic2018", tmp_path)
    assert caught.value.hint == "pip install 'scunext-edge[data]'"


def test_a_fetched_set_opens_with_the_challenges_split_and_names_its_licence(archives, tmp_path):
    result = fetch("isic2017", tmp_path, base_url=archives.url)
    assert (result.name, result.pairs, len(result.digests)) == ("isic2017", 6, 6)
    assert result.licence.startswith("CC0")
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 6
    assert dataset[5].mask_hw.any()
    split = find_split(tmp_path)
    assert [len(split.train), len(split.val), len(split.test)] == [2, 2, 2]
    assert split.val == ("ISIC_0000002", "ISIC_0000003")
    assert (tmp_path / "ISIC-2017_Training_Data" / "LICENSE.txt").read_bytes() == b"CC0"


def test_a_second_fetch_downloads_nothing(archives, tmp_path):
    fetch("isic2017", tmp_path, base_url=archives.url)
    archives.log.clear()
    again = fetch("isic2017", tmp_path, base_url=archives.url)
    assert (archives.log, again.digests, again.pairs) == ([], {}, 6)


def test_a_fetch_that_failed_half_way_goes_on(archives, tmp_path):
    missing = "ISIC-2017_Validation_Data.zip"
    kept = archives.files.pop(missing)
    with pytest.raises(DataError, match="404"):
        fetch("isic2017", tmp_path, base_url=archives.url)
    archives.files[missing] = kept
    archives.log.clear()
    assert fetch("isic2017", tmp_path, base_url=archives.url).pairs == 6
    assert len(archives.log) == 4


def test_the_sources_are_https_and_say_their_licence():
    assert set(SOURCES) == {"isic2018", "isic2017"}
    assert all(source.base_url.startswith("https://") for source in SOURCES.values())
    assert "NC" in SOURCES["isic2018"].licence
    assert list(SOURCES["isic2018"].archives) == ["train", "val", "test"]


def test_an_unknown_name_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="isic2019") as caught:
        fetch("isic2019", tmp_path)
    assert "isic2018" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png"]
)
def test_a_zip_that_would_leave_its_folder_is_refused_whole(tmp_path, name):
    path = tmp_path / "z.zip"
    path.write_bytes(packed({"good.png": b"x", name: b"evil"}))
    with pytest.raises(DataError, match="unsafe entry"):
        unpack(path, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("*.png"))


def test_a_link_in_a_zip_is_refused(tmp_path):
    member = zipfile.ZipInfo("link.png")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="unsafe entry"):
        unpack(tmp_path / "z.zip", tmp_path / "out")


def test_two_files_of_one_name_in_a_zip_are_refused(tmp_path):
    (tmp_path / "z.zip").write_bytes(packed({"a/x.png": b"1", "b/x.png": b"2"}))
    with pytest.raises(DataError, match=r"two files called x\.png"):
        unpack(tmp_path / "z.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "damage", [lambda z: z[:-30], lambda z: b"", lambda z: z.replace(b"hello", b"jello")]
)
def test_a_damaged_zip_leaves_no_folder(tmp_path, damage):
    (tmp_path / "z.zip").write_bytes(damage(packed({"x.txt": b"hello"})))
    with pytest.raises(DataError, match=r"z\.zip is no sound zip archive"):
        unpack(tmp_path / "z.zip", tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["z.zip"]


def test_the_module_cites_where_the_addresses_come_from():
    assert "https://challenge.isic-archive.com/data/" in module.__doc__
