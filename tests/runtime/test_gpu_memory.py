"""Which package gives the memory of a GPU, and torch's side of it on host memory."""

from __future__ import annotations

import contextlib
import inspect
import sys
import types

import numpy as np
import pytest

from scunext_edge.errors import BackendMissing, EngineError
from scunext_edge.runtime import gpu_memory
from scunext_edge.runtime.gpu_memory import GpuMemory, gpu_package

BACKENDS = "scunext_edge.runtime.backends"


@pytest.fixture
def bindings(monkeypatch):
    """NVIDIA's bindings are installed, as far as their import goes."""
    fakes = {name: types.ModuleType(name) for name in ("cuda", "cuda.bindings")}
    fakes["cuda.bindings"].runtime = types.ModuleType("runtime")
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
    yield
    _forget("cuda_memory")


def _forget(name):
    sys.modules.pop(f"{BACKENDS}.{name}", None)
    vars(sys.modules[BACKENDS]).pop(name, None)


@pytest.fixture
def no_bindings(monkeypatch):
    _forget("cuda_memory")
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setitem(sys.modules, "cuda", None)


def test_without_torch_the_bindings_are_taken_and_torch_is_not_imported(bindings, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, f"{BACKENDS}.cuda_torch", raising=False)
    assert gpu_package().__name__.endswith("cuda_memory")
    assert f"{BACKENDS}.cuda_torch" not in sys.modules


def test_a_torch_that_sees_no_gpu_is_passed_over(bindings, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_package().__name__.endswith("cuda_memory")


def test_a_torch_that_does_not_load_is_passed_over(bindings, monkeypatch):
    monkeypatch.setattr(gpu_memory, "find_spec", lambda name: object())
    monkeypatch.delitem(sys.modules, f"{BACKENDS}.cuda_torch", raising=False)
    monkeypatch.delattr(sys.modules[BACKENDS], "cuda_torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert gpu_package().__name__.endswith("cuda_memory")


def test_a_torch_that_sees_a_gpu_comes_first(bindings, on_host):
    assert gpu_package() is on_host.module


def test_with_neither_both_remedies_are_named(no_bindings, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendMissing, match="torch with CUDA or the package 'cuda-bindings'") as e:
        gpu_package()
    assert "pip install cuda-bindings" in e.value.hint
    assert "torch" in e.value.hint


@pytest.fixture
def on_host(monkeypatch):
    """torch as it is, its memory on the host, with the parts of CUDA that a host lacks."""
    torch = pytest.importorskip("torch")
    from scunext_edge.runtime.backends import cuda_torch

    log = []

    class Stream:
        cuda_stream = 4711

        def __init__(self, place):
            log.append(("opened", place))

        def synchronize(self):
            log.append("synchronized")

    facts = types.SimpleNamespace(name="Fake Orin", major=8, minor=7)
    monkeypatch.setattr(cuda_torch, "_PLACE", torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: facts)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: log.append("emptied"))
    return types.SimpleNamespace(module=cuda_torch, torch=torch, log=log)


def test_the_first_gpu_is_taken():
    torch = pytest.importorskip("torch")
    from scunext_edge.runtime.backends import cuda_torch

    assert torch.device("cuda", 0) == cuda_torch._PLACE


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float32])
def test_what_was_uploaded_is_what_is_downloaded(on_host, dtype):
    gpu = on_host.module.Gpu()
    first, second = np.random.default_rng(0).integers(0, 100, (2, 3, 5, 7)).astype(dtype)
    addresses = [gpu.allocate(it.nbytes) for it in (first, second)]
    for array, address in zip((first, second), addresses, strict=True):
        gpu.upload(array, address)
    for array, address in zip((first, second), addresses, strict=True):
        back = np.zeros_like(array)
        gpu.download(address, back)
        np.testing.assert_array_equal(back, array)


def test_a_copy_fills_no_more_than_its_own_bytes(on_host):
    gpu = on_host.module.Gpu()
    address = gpu.allocate(8)
    gpu.upload(np.full(8, 7, np.uint8), address)
    gpu.upload(np.full(2, 1, np.uint16), address)
    back = np.zeros(8, np.uint8)
    gpu.download(address, back)
    assert back.tolist() == [1, 0, 1, 0, 7, 7, 7, 7]


def test_memory_that_must_not_be_written_to_is_read_without_a_warning(on_host):
    gpu = on_host.module.Gpu()
    array = np.arange(6, dtype=np.uint8)
    array.flags.writeable = False
    address = gpu.allocate(6)
    gpu.upload(array, address)
    back = np.zeros_like(array)
    gpu.download(address, back)
    np.testing.assert_array_equal(back, array)


def test_a_copy_returns_when_it_is_done(on_host):
    gpu = on_host.module.Gpu()
    address = gpu.allocate(4)
    for copy in (gpu.upload, lambda array, address: gpu.download(address, array)):
        on_host.log.clear()
        copy(np.zeros(4, np.uint8), address)
        assert on_host.log == ["synchronized"]


def test_the_address_is_that_of_the_memory_and_the_handle_that_of_the_stream(on_host):
    gpu = on_host.module.Gpu()
    address = gpu.allocate(16)
    assert [it.data_ptr() for it in gpu._blocks.values()] == [address]
    assert gpu.stream == 4711


def test_what_was_given_back_is_gone(on_host):
    gpu = on_host.module.Gpu()
    one, _ = gpu.allocate(4), gpu.allocate(4)
    gpu.free(one)
    with pytest.raises(KeyError):
        gpu.upload(np.zeros(4, np.uint8), one)
    gpu.close()
    assert gpu._blocks == {}
    assert on_host.log[-1] == "emptied"


def test_both_describe_a_gpu_in_the_words_of_a_card(on_host):
    assert on_host.module.Gpu().describe() == {"gpu": "Fake Orin", "compute_capability": "8.7"}


def test_what_cuda_refuses_is_an_engine_error(on_host, monkeypatch):
    def full(*arguments, **options):
        raise on_host.torch.OutOfMemoryError("CUDA out of memory")

    gpu = on_host.module.Gpu()
    monkeypatch.setattr(on_host.torch, "empty", full)
    with pytest.raises(EngineError, match="cuda: CUDA out of memory"):
        gpu.allocate(1 << 40)


def test_the_driver_tells_its_version(on_host, monkeypatch):
    def version(pointer):
        pointer._obj.value = 12060
        return 0

    library = types.SimpleNamespace(cuDriverGetVersion=version)
    monkeypatch.setattr(on_host.module.ctypes, "CDLL", lambda name: library)
    assert on_host.module.Gpu().driver() == "12.6"


def test_a_driver_that_is_not_there_is_an_engine_error(on_host, monkeypatch):
    monkeypatch.setattr(on_host.module, "_DRIVER", "libnothing.so.0")
    with pytest.raises(EngineError, match="libnothing"):
        on_host.module.Gpu().driver()


def test_both_implementations_have_the_methods_of_the_protocol(bindings, on_host):
    from scunext_edge.runtime.backends import cuda_memory

    wanted = {name for name in vars(GpuMemory) if not name.startswith("_")} - {"stream"}
    for module in (on_host.module, cuda_memory):
        for name in wanted:
            asked, given = (inspect.signature(getattr(it, name)) for it in (GpuMemory, module.Gpu))
            assert list(asked.parameters) == list(given.parameters), f"{module.__name__} {name}"


@pytest.mark.gpu
def test_a_real_gpu_gives_back_what_it_was_given():
    try:
        package = gpu_package()
    except BackendMissing as error:
        pytest.skip(str(error))
    if not package.count_gpus():
        pytest.skip("no GPU here")
    gpu = package.Gpu()
    try:
        array = np.random.default_rng(0).normal(size=(3, 50, 7)).astype(np.float32)
        address = gpu.allocate(array.nbytes)
        gpu.upload(array, address)
        back = np.zeros_like(array)
        gpu.download(address, back)
        np.testing.assert_array_equal(back, array)
        assert set(gpu.describe()) == {"gpu", "compute_capability"}
        assert float(gpu.driver()) > 11
    finally:
        gpu.close()
