# On a fresh machine `make run` serves the assistant and `make test` proves it.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup run test lint soak sbom audit lock clean

setup: $(VENV)/.installed

# torch first and by itself: without it, another package would ask for a build with CUDA.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $$(grep '^torch==' requirements.lock)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

run: setup
	TRYGHED_INDEX=$${TRYGHED_INDEX:-index} $(BIN)/tryghed-search serve --port $(PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --cov --cov-report=term

# Ten minutes of load with index swaps and clients who leave, an ingest killed fifty times, and
# sixty thousand damaged reports.
soak: setup
	$(BIN)/python benchmarks/soak.py
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python -m pytest --hypothesis-profile soak tests/test_report_fuzz.py

# What is installed, with its licences: build/sbom.json (CycloneDX) and build/licences.md.
sbom: setup build/tools
	build/tools/bin/cyclonedx-py environment --output-reproducible --output-file build/sbom.json $(BIN)/python
	build/tools/bin/pip-licenses --python $(BIN)/python --format markdown --order name --output-file build/licences.md

# Known flaws of what is installed; asks a public service, so it needs the internet.
audit: setup build/tools
	build/tools/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip

build/tools:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet cyclonedx-bom==7.5.0 pip-licenses==5.5.5 pip-audit==2.10.1

# Exact versions of everything, from pyproject.toml's ranges.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet torch==2.13.0
	build/lock/bin/pip install --quiet --editable '.[test]'
	build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .coverage
