# Two commands are all a reader needs: `make demo` and `make test`. Both create .venv on first use, install pinned
# wheels (constraints.txt) and do nothing to it again until pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV ?= .venv
DEMO_ARGS ?=
# One file per worker at a time: tests of one file share what JAX has compiled. More than four workers only compile more.
# In the order of collection, which conftest.py begins with the longest files.
PYTEST_ARGS ?= --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

# Tests compile thousands of programs that run for milliseconds. LLVM's first level of optimisation, and programs that are
# not split among threads which the workers need themselves, take a fifth off the whole; the arithmetic is the same.
TEST_XLA_FLAGS ?= --xla_backend_optimization_level=1 --xla_cpu_parallel_codegen_split_count=1

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --only-binary :all: -c constraints.txt
LOCK := pyproject.toml constraints.txt
EXTRAS_demo := cli,plot
EXTRAS_test := test
EXTRAS_dev := dev

.PHONY: help demo test dev lint types layers docs lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    install and run the demonstration"
	@echo "make test    install and run the tests"
	@echo "make dev     install everything a contributor needs"
	@echo "make lint    style, types and import layers"
	@echo "make docs    build the documentation into site/"
	@echo "make lock    resolve the versions in constraints.txt anew"
	@echo "make clean   remove what the other targets made"

demo: $(VENV)/.installed-demo
	$(BIN)/resolvent demo $(DEMO_ARGS)

test: $(VENV)/.installed-test
	XLA_FLAGS="$(TEST_XLA_FLAGS)" $(BIN)/python -m pytest $(PYTEST_ARGS)

dev: $(VENV)/.installed-dev

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory types layers

types: $(VENV)/.installed-dev
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.installed-dev
	$(BIN)/python -m mkdocs build --strict

lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --fork-strategy requires-python --all-extras \
		--no-build --no-annotate --upgrade --custom-compile-command "make lock" \
		--output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) site dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit(f"Resolvent needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# The build backend is installed from the same constraints, so a set-up never fetches an unpinned one.
$(VENV)/.installed-%: $(VENV)/bin/python $(LOCK)
	@echo "Installing pinned wheels into $(VENV) ..."
	@$(PIP) hatchling
	@$(PIP) --no-build-isolation --editable '.[$(EXTRAS_$*)]'
	@touch $@
