# Everything a newcomer and CI need. `make bench` and `make test` set up .venv by themselves.
PYTHON ?= python3
DATA ?=
OUT ?= runs/$(if $(DATA),$(notdir $(patsubst %/,%,$(DATA))),bench)
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
NATIVE := $(shell find scunext_edge/kernels/csrc -type f)

.PHONY: bench test check wheel clean

bench: $(READY)
	$(BIN)/scunext-edge bench $(if $(DATA),--data $(DATA)) --out $(OUT) $(ARGS)

test: $(READY)
	SCUNEXT_REQUIRE=torch,onnxruntime,openvino $(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

wheel: $(READY)
	$(BIN)/python -m build --wheel

$(READY): pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache
