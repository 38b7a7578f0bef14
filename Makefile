# Two commands for everybody: `make serve` and `make test`. Each makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: serve test test-oldest test-newest lint types types-of-examples check bench wheel clean

serve: $(STAMP)
	$(BIN)/mailtrap serve $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(ARGS)

# The plugin under the oldest pytest that it supports, which is put before the other one.
test-oldest: $(STAMP)
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/oldest 'pytest==8.0.*'
	PYTHONPATH=$(VENV)/oldest $(BIN)/python -m pytest -n auto \
		tests/plugin/test_fixtures.py tests/plugin/test_settings.py tests/plugin/test_reports.py

# The plugin under the newest Python that is here, with the newest frameworks: Django 6.1 needs more than ours does.
NEWEST ?= $(shell ls /usr/bin/python3.1[2-9] /usr/local/bin/python3.1[2-9] \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9].*/bin/python3.1[2-9] 2>/dev/null | \
	awk -F/ '{ print $$NF, $$0 }' | sort -V | tail -n 1 | cut -d ' ' -f 2-)

test-newest:
ifeq ($(NEWEST),)
	@echo 'NOT TRIED: no Python newer than 3.11 is here, and so no Django 6.1 with its MAILERS (make test-newest NEWEST=...)'
else
	$(NEWEST) -m venv $(VENV)/newest
	$(VENV)/newest/bin/pip install --quiet --editable '.[test]' django pytest-django
	env -u MAILTRAP_NO_SKIP $(VENV)/newest/bin/python -m pytest -n auto $(or $(ARGS),tests/plugin tests/unit/net)
	$(VENV)/newest/bin/python -m pytest -n auto tests/examples tests/unit/test_frameworks.py -k django
endif

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
