# Everything a newcomer and CI need. `make bench` and `make test` set up .venv by themselves.
PYTHON ?= python3
DATA ?=
OUT ?= runs/$(if $(DATA),$(notdir $(patsubst %/,%,$(DATA))),bench)
# Accuracy of the networks that ship no weights, where it was measured:
TRAININGS ?= $(wildcard docs/results/table1.json docs/results/table1-reduced.json)
KERNELS ?= docs/results/bench-kernels.json
TRIALS ?= docs/results/trials.json
ARM64 ?= docs/results/arm64.json
WEB ?= docs/results/web.json
SERVE ?= docs/results/serve.json
ORT_WEB := 1.30.0
JOBS ?= 2
ARGS ?=

COMMA := ,
BIN := .venv/bin
READY := .venv/.ready
PEERS := .venv/.peers
NATIVE := $(shell find scunext_edge/kernels/csrc -type f)

.PHONY: bench bench-kernels bench-web wasm trials test test-long check sanitize ports arm64 ray faults bundle-trial serve-trial trt-check wheel clean

bench: $(READY)
	$(BIN)/scunext-edge bench $(if $(DATA),--data $(DATA)) --out $(OUT) $(addprefix --experiments ,$(TRAININGS)) $(ARGS)

# Minutes of measuring: run it on a quiet machine. --isa NAME holds native and OpenVINO to one instruction set.
bench-kernels: $(PEERS)
	$(BIN)/python -m scunext_edge.pipeline.kernels --out $(KERNELS) $(ARGS)

# The page's engine beside onnxruntime-web, in one page of Chromium. Needs Chromium and npm; 140 MB, into build/.
bench-web: $(READY)
	npm install --prefix build/bench-web --ignore-scripts --no-audit --no-fund onnxruntime-web@$(ORT_WEB)
	$(BIN)/python -m scunext_edge.pipeline.web --ort build/bench-web/node_modules/onnxruntime-web --out $(WEB) $(ARGS)

# The WebAssembly modules that ship, after a change of the native engine. Needs clang 16; says what to install.
wasm: $(READY)
	$(BIN)/python -m scunext_edge.web.build

# Does `compare` keep its word here? 100 pairs of equal runs, 100 with a slowdown planted; resumes.
trials: $(READY)
	$(BIN)/python -m scunext_edge.pipeline.trials --out $(TRIALS) $(ARGS)

test: $(READY)
	SCUNEXT_REQUIRE=torch,onnxruntime,openvino$(if $(shell command -v c++),$(COMMA)native) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# What takes longer than a default run may: devices over real daemons, trainings that are killed, timed or shared by two
# processes, QAT, faults that are planted, and wheels.
LONG := $(addprefix tests/,pipeline/remote/test_session.py pipeline/remote/test_bench.py experiments/test_run.py \
  pipeline/quantize/test_tuned.py pipeline/verify/test_faults.py pipeline/test_training_speed.py \
  training/test_start.py test_packaging.py)
test-long: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m slow $(LONG) $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The native engine under sanitizers, and on other processors than this one
sanitize: $(READY)
	tests/kernels/sanitize.sh

ports: $(READY)
	tests/kernels/ports.sh

# Every CPU artifact that ships, on an emulated arm64 processor, which then is a device of `bench --remote` too:
# downloads 300 MB, into build/.
arm64: $(READY)
	tests/arm64/root.sh build/arm64
	$(BIN)/python tests/arm64/compare.py --python build/arm64/python --out $(ARM64)
	$(BIN)/python -m pytest -q -m slow tests/pipeline/remote/test_arm64.py

# Trials of an experiment on real Ray processes that are killed in the middle, and by DDP.
ray: $(READY)
	$(BIN)/python -m pytest -q -m slow tests/experiments

# Is each fault that can happen to an export caught? Plants them one by one.
faults: $(READY)
	$(BIN)/python -m scunext_edge.pipeline.verify.faults

# A bundle from the shipped weights to a mask on a device, its server, its example in C, and ten ways to spoil it; one for
# browsers; arm64 by emulation; then the server's own trial.
bundle-trial: $(READY)
	$(BIN)/python tests/deploy/trial.py --out build/bundle-trial
	$(MAKE) serve-trial SERVE=build/serve-trial.json

# The server under load, under made-up requests and under faults. Needs root for its full disk; SERVE names the record.
serve-trial: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt locust
	$(BIN)/python tests/serve/trial.py --out $(SERVE) $(ARGS)

wheel: $(READY)
	$(BIN)/python -m build --wheel

$(READY): pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

# The extra "peers", without building the package again
$(PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt MNN
	touch $@

# TensorRT's parser and builder without a GPU, for tests that are skipped otherwise. x86-64 Linux; 240 MB.
trt-check: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt tensorrt-rtx-cu13

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache
