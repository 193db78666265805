# Every target sets itself up in .venv and touches nothing else of the machine.
# Choose another interpreter with: make test PYTHON=python3.12

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test check soak clean

# The first of these that runs and is new enough; a name on the PATH may be a shim for nothing.
SUITABLE = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	if "$$each" -c '$(SUITABLE)' >/dev/null 2>&1; then echo "$$each"; break; fi; done)

BIN := .venv/bin
INSTALLED := .venv/.installed
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4

help:
	@echo 'make demo    roll a LiveView application forward under synthetic users, and prove it'
	@echo 'make test    check, then run every test; what needs a program that is missing is skipped by name'
	@echo 'make check   ruff and mypy'
	@echo 'make soak    the long tests'
	@echo 'make clean   remove what these targets made'

demo: $(INSTALLED)
	@$(BIN)/lvdeploy demo

test: check
	@$(PYTEST) -m 'not soak'

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

soak: $(INSTALLED)
	@$(PYTEST) -m soak --timeout 3600

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .lvdeploy build dist

$(INSTALLED): pyproject.toml
	@test -n '$(PYTHON)' || { \
		echo 'lvdeploy needs Python 3.11 or newer, for example: apt install python3 python3-venv' >&2; exit 1; }
	@'$(PYTHON)' -c '$(SUITABLE)' 2>/dev/null || { \
		echo '$(PYTHON) does not run or is too old: lvdeploy needs Python 3.11 or newer' >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot make virtual environments; install that part, for example: apt install python3-venv' >&2; \
		exit 1; }
	@test -x $(BIN)/python || { echo 'making .venv with $(PYTHON)'; '$(PYTHON)' -m venv .venv; }
	@echo 'installing lvdeploy and what its tests need into .venv'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
