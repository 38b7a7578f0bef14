# Two commands for everybody: `make serve` and `make test`. Each makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: serve test lint types types-of-examples check bench wheel clean

serve: $(STAMP)
	$(BIN)/mailtrap serve $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(ARGS)

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

wheel: $(STAMP)
	$(BIN)/python -m build --wheel

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
