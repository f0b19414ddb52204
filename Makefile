# `make demo` shows everything, `make test` proves it; both work on a fresh machine with Python and make.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: demo env test format up down status bench

demo: env  ## a simulated shop, its warehouse and its KPIs
	@$(VENV)/bin/python -m pipeline.services up
	@$(VENV)/bin/python -m pipeline.demo

env: $(STAMP)  ## the environment alone

# Hashes in the lock files: what is installed is what was tested. A stamp comes last, so that an interrupted build is
# never taken for a finished one. --no-deps, since a lock file is complete: all that requirements.lock leaves out is
# requests, for which vaderSentiment asks. Its lexicon does without, and Luigi would import it at every command.
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps
$(STAMP): requirements.lock setup.py
	@echo "Installing the locked packages into $(VENV) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit((3, 11) > v or v > (3, 13)) ' || \
	    { echo "cannot build $(VENV), because $$($(PYTHON) --version) is not Python 3.11-3.13;" \
	           "install one and run: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(STAMP)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

test: $(DEV_STAMP)  ## formatting, lint, types and the whole test suite
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/sqlfluff lint --disable-progress-bar warehouse pipeline/generators
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest

format: $(DEV_STAMP)  ## what `make test` checks, mended where a tool can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/sqlfluff fix --disable-progress-bar warehouse pipeline/generators

up down status: env  ## the embedded PostgreSQL, S3, luigid and risk-score service
	@$(VENV)/bin/python -m pipeline.services $@

bench: env  ## seconds, rows/s and memory of each step; figures in docs/benchmarks.md
	$(VENV)/bin/python -m benchmarks.run
