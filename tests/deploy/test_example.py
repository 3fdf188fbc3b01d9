"""The program in C that a bundle holds: it compiles, and gives the masks that Python gives."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.synthetic import draw
from scunext_edge.deploy import example
from scunext_edge.deploy.verify import verify
from scunext_edge.kernels import native
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.runtime.registry import open_runner
from scunext_edge.weights.shipped import shipped

HEADER = Path(native.__file__).parent / "csrc" / "include" / "scunext.h"
VECTORS = Path(__file__).parents[1] / "data" / "golden_resize.json"
SANITIZED = "CFLAGS=-O1 -pedantic -fsanitize=address,undefined -fno-sanitize-recover=all"
BAD_INPUT, BAD_FILE = 2, 4
PTR = np.ctypeslib.ndpointer


@pytest.fixture(scope="module")
def folder(made, native_library, tmp_path_factory):
    """A bundle whose wheel holds the library that is tested here."""
    for name in ("make", "cc", "python3"):
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} here")
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("example") / "bundle"))
    (wheel,) = folder.glob("wheels/scunext_edge-*.whl")
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.write(native_library, "scunext_edge/kernels/libscunext.so")
        opened.write(HEADER, "scunext_edge/kernels/include/scunext.h")
    return folder


def check(folder, *options):
    return subprocess.run(
        ["make", "--no-print-directory", "-C", folder / "c", *options, "check"],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def program(folder):
    """Compiled under the sanitizers, by the command that a user types."""
    done = check(folder, SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every pixel as expected") == 2
    return folder.parent / "bundle-c" / "segment"


def test_building_it_leaves_the_bundle_as_it_was_signed(program, folder, key, sign_again, made):
    assert not {it.name for it in (folder / "c").iterdir()} ^ {
        "Makefile", "README.md", "golden", "resize.c", "resize.h", "segment.c",
    }  # fmt: skip
    sign_again(folder)
    before = {it.relative_to(made) for it in made.rglob("*")}
    assert {it.relative_to(folder) for it in folder.rglob("*")} == before
    assert verify(folder, key).findings == ()


def test_its_golden_pictures_are_those_of_the_bundle(made):
    for path in (made / "c" / "golden").iterdir():
        masks = made / "golden" / "masks" / example.FORM
        other = made / "golden" / "images" if path.suffix == ".ppm" else masks
        with Image.open(path) as one, Image.open(other / f"{path.stem}.png") as two:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_a_mask_that_differs_in_one_pixel_is_a_failure(program, folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = next((copy / "c" / "golden").glob("*.pgm"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    done = check(copy, f"BUILD={program.parent}")
    assert done.returncode != 0
    assert path.name in done.stdout + done.stderr


@pytest.fixture
def segment(program, tmp_path):
    def run(content, form="native-int8", mask="mask.pgm"):
        image, out = tmp_path / "image.ppm", tmp_path / mask
        image.write_bytes(content)
        model = shipped("scunext", form).file(".scx")
        done = subprocess.run([program, model, image, out], capture_output=True, text=True)
        return done.returncode, done.stderr, out.read_bytes() if out.is_file() else None

    return run


def ppm(pixels):
    return b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


@pytest.mark.parametrize("form", ["native-int8", "native-fp32"])
def test_its_masks_are_pythons_at_any_size(segment, form):
    predictor = Predictor(open_runner(shipped("scunext", form), "native"))
    noise = np.random.default_rng(1)
    shapes = [(1, 1), (1, 700), (900, 3), (31, 257), (256, 256)]
    images = [noise.integers(0, 256, (*it, 3), dtype=np.uint8) for it in shapes]
    for image in [*images, draw(3, 4, (300, 400))[0], draw(3, 5, (1100, 903))[0]]:
        expected = predictor.predict(image).mask
        code, said, mask = segment(ppm(image), form)
        assert (code, said) == (0, "")
        head = b"P5\n%d %d\n255\n" % (image.shape[1], image.shape[0])
        assert mask == head + (expected * np.uint8(255)).tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with P6"),
        (b"P3\n1 1\n255\n0 0 0", "does not begin with P6"),
        (b"P6\n# no end", "no width, height and maxval"),
        (b"P6\n99999999999999999999 1 255\n", "no width, height and maxval"),
        (b"P6\n-1 1 255\n", "no width, height and maxval"),
        (b"P6\n1 1 65535\n" + bytes(6), "a maxval of 65535; convert it to 8 bits"),
        (b"P6\n0 5 255\n", "is 0 x 5: it has no pixel"),
        (b"P6\n65536 1 255\n", "no width, height and maxval of at most 65535"),
        (b"P6\n65535 65535 255\n" + bytes(30), "ends before its last pixel"),  # above 2^32
        (b"P6\n65535 1 255\n" + bytes(30), "ends before its last pixel"),
        (b"P6\n1 65535 255\n" + bytes(30), "ends before its last pixel"),
        (b"P6\n2 2 255\n" + bytes(11), "ends before its last pixel"),
        (b"P6\n2 2 255\n" + bytes(13), "goes on after its last pixel"),
    ],
)
def test_a_picture_that_it_cannot_take_is_refused_with_the_reason(segment, content, said):
    code, error, mask = segment(content)
    assert (code, mask) == (BAD_INPUT, None)
    assert re.fullmatch(rf"segment: \S+image\.ppm .*{said}.*\n", error), error


def test_a_model_or_a_mask_that_cannot_be_used_is_code_4(segment, program, tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    code, error, _ = segment(ppm(image), mask="nowhere/mask.pgm")
    assert (code, "cannot be written" in error) == (BAD_FILE, True)
    command = [program, tmp_path / "no.scx", tmp_path / "image.ppm", tmp_path / "mask.pgm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "no.scx cannot be opened" in done.stderr) == (BAD_FILE, True)
    assert subprocess.run([program], capture_output=True).returncode == BAD_INPUT


class Taps(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("most", ctypes.c_size_t)] + [
        (name, ctypes.c_void_p) for name in ("first", "used", "weights", "whole")
    ]


def resized(library, image, height, width, kind):
    """Both passes as the program makes them."""
    suffix, channels = ("u8", image.shape[2]) if kind == np.uint8 else ("f32", 1)
    rows = np.zeros((image.shape[0], width * channels), kind)
    out = np.zeros((height, width * channels), kind)
    across, down = Taps(), Taps()
    for taps, sizes in ((across, (image.shape[1], width)), (down, (image.shape[0], height))):
        assert library.taps_make(ctypes.byref(taps), *map(ctypes.c_size_t, sizes)) == 0
    row, column = (getattr(library, f"resize_{it}_{suffix}") for it in ("row", "column"))
    row.argtypes = [ctypes.c_void_p, PTR(kind), *[ctypes.c_size_t] * (suffix == "u8"), PTR(kind)]
    column.argtypes = [ctypes.c_void_p, ctypes.c_size_t, PTR(kind), ctypes.c_size_t, PTR(kind)]
    for one, to in zip(np.ascontiguousarray(image), rows, strict=True):
        row(ctypes.byref(across), one.ravel(), *[channels] * (suffix == "u8"), to)
    for y, to in enumerate(out):
        column(ctypes.byref(down), y, rows, rows.shape[1], to)
    for taps in (across, down):
        library.taps_free(ctypes.byref(taps))
    return out


def test_its_resizes_give_the_golden_vectors(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("there is no cc here")
    source = Path(example.__file__).with_name("c") / "resize.c"
    library = tmp_path / "resize.so"
    command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", source, "-lm", "-o", library]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    for kind, entries in json.loads(VECTORS.read_text()).items():
        for entry in entries if kind != "schema" else ():
            image = np.asarray(entry["input"], kind)
            found = resized(loaded, image, entry["height"], entry["width"], image.dtype.type)
            expected = np.asarray(entry["output"], kind).reshape(found.shape)
            np.testing.assert_array_equal(found, expected, entry["name"])
