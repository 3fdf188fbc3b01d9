"""libscunext for tests, the installed one or one built here; what this processor cannot do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.benchmarks.passport import machine
from scunext_edge.errors import BackendMissing
from scunext_edge.kernels import native
from scunext_edge.runtime.precision import sums_saturate

DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"
PATIENT = ("Doe^Jane", "MRN-4711")  # must never be seen in a message
SOURCES = Path(native.__file__).parent / "csrc"

# A shell lets what it starts in the background ignore Ctrl-C, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def native_library(tmp_path_factory):
    """The path of libscunext; in this process ``native.find_library`` finds the same one.

    SCUNEXT_LIBRARY names one to test instead of the installed one.
    """
    path = Path(os.environ["SCUNEXT_LIBRARY"]) if "SCUNEXT_LIBRARY" in os.environ else _installed()
    path = path or _built(tmp_path_factory.mktemp("native"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native.package, "__path__", [str(path.parent), *native.package.__path__])
        yield path


@pytest.fixture(scope="session")
def openvino_saturates():
    """Whether OpenVINO's INT8 is another network here, because its sums overflow.

    ONEDNN_MAX_CPU_ISA=AVX2 makes any x86 processor such a one.
    """
    held = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    narrow = held in {"SSE41", "AVX", "AVX2", "AVX512_CORE"}
    return narrow or sums_saturate("openvino", "int8", machine()["isa"] or ())


@pytest.fixture
def dicom(tmp_path):
    """``dicom("a.dcm", pixels, Rows=5)``: a DICOM file of a photograph, of a made-up patient.

    ``pixels`` is an array, or the bytes of a compressed frame with ``syntax``. An element that is
    None is left out.
    """
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    def make(name, pixels, *, storage=DERMOSCOPIC, syntax="1.2.840.10008.1.2.1", **elements):
        dataset = Dataset()
        dataset.SOPClassUID = storage
        dataset.Modality = "XC"
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            setattr(dataset, keyword, pydicom.uid.generate_uid(entropy_srcs=[keyword, name]))
        dataset.PatientName, dataset.PatientID = PATIENT
        if isinstance(pixels, np.ndarray):
            _describe(dataset, pixels)
        else:
            dataset.PixelData = encapsulate([pixels])
            dataset["PixelData"].VR = "OB"
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return make


def _describe(dataset, pixels):
    """The elements that say how ``pixels`` lie in the file."""
    colour = pixels.ndim == 3
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    content = pixels.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def _installed():
    try:
        return native.find_library()
    except BackendMissing:
        return None


def _built(folder):
    if not shutil.which("cmake"):
        pytest.skip("libscunext is not installed, and there is no cmake to build it with")
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, "-DCMAKE_BUILD_TYPE=Release"],
        ["cmake", "--build", folder, "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if "CMAKE_CXX_COMPILER" in done.stderr:
            pytest.skip("libscunext is not installed, and there is no C++ compiler to build it")
        assert done.returncode == 0, done.stdout + done.stderr
    (library,) = folder.rglob("libscunext.*")
    return library
