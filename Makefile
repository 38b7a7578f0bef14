# Two commands for everybody: `make serve` and `make test`. Each makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: serve test test-oldest lint types types-of-examples check bench wheel clean

serve: $(STAMP)
	$(BIN)/mailtrap serve $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(ARGS)

# The plugin under the oldest pytest that it supports, which is put before the other one.
test-oldest: $(STAMP)
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/oldest 'pytest==8.0.*'
	PYTHONPATH=$(VENV)/oldest $(BIN)/python -m pytest -n auto \
		tests/plugin/test_fixtures.py tests/plugin/test_settings.py tests/plugin/test_reports.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# What users write, checked against our types; needs what the examples import: the extra interop.
types-of-examples: $(STAMP)
	$(BIN)/mypy --allow-untyped-decorators tests/examples
	$(BIN)/pyright --pythonpath $(BIN)/python tests/examples

check: lint types test

bench: $(STAMP)
	$(BIN)/python benchmarks/smtp.py $(ARGS)
	$(BIN)/python benchmarks/sends.py $(ARGS)
	$(BIN)/python benchmarks/handshakes.py $(ARGS)
	$(BIN)/python benchmarks/start.py $(ARGS)

wheel: $(STAMP)
	$(BIN)/python -m build --wheel

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
