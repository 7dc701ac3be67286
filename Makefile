# On a fresh machine `make run` serves the assistant and `make test` proves it.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup run test lint soak bench bench-peers bench-scale sbom audit lock lock-peers clean

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

# A process for each of two cores; a file of tests stays in one, with what it has made.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=25 --cov --cov-report=term

# Ten minutes of load with index swaps and clients who leave, an ingest killed fifty times, and
# sixty thousand damaged reports. And a cluster of databases whose leader is killed, which needs etcd.
soak: setup
	$(BIN)/python benchmarks/soak.py
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python benchmarks/failover.py
	$(BIN)/python -m pytest --hypothesis-profile soak tests/test_report_fuzz.py

# Speed and quality against the bare model and against others; writes docs/performance.md.
BENCHMARKS := limit start load stages compare
OVER_INDEX := --index build/bench/index

bench: setup build/peers/.installed
	$(BIN)/tryghed-search ingest $(OVER_INDEX)
	$(BIN)/python benchmarks/ingest.py >/dev/null
	for name in $(BENCHMARKS); do \
	    $(BIN)/python benchmarks/$$name.py $(OVER_INDEX) >/dev/null || exit 1; \
	done
	$(BIN)/python benchmarks/report.py

bench-peers: setup build/peers/.installed
	$(BIN)/tryghed-search ingest $(OVER_INDEX)
	$(BIN)/python benchmarks/compare.py $(OVER_INDEX) >/dev/null
	$(BIN)/python benchmarks/report.py

# How an index grows; writes docs/growing.md. SIZES="1000 1000000" for others.
SIZES := 1000 10000 100000
bench-scale: setup
	$(BIN)/tryghed-search ingest $(OVER_INDEX)
	$(BIN)/python benchmarks/scale.py $(OVER_INDEX) --sizes $(SIZES) >/dev/null
	$(BIN)/python benchmarks/report.py

# The others' own environment; the product's is never touched.
build/peers/.installed: benchmarks/peers/requirements.lock
	$(PYTHON) -m venv build/peers
	build/peers/bin/pip install --quiet $$(grep '^torch==' benchmarks/peers/requirements.lock)
	build/peers/bin/pip install --quiet --requirement benchmarks/peers/requirements.lock
	touch $@

# Exact versions of the others, from what is asked for in requirements.in.
lock-peers:
	rm -rf build/lock-peers && $(PYTHON) -m venv build/lock-peers
	build/lock-peers/bin/pip install --quiet torch==2.13.0
	build/lock-peers/bin/pip install --quiet --requirement benchmarks/peers/requirements.in
	build/lock-peers/bin/pip freeze | sed 's/+cpu$$//' > benchmarks/peers/requirements.lock

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
