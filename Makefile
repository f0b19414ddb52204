# `make demo` shows everything, `make test` proves it; both work on a fresh machine with Python and make.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
SUPERSET_VENV := .venv-superset
SUPERSET_STAMP := $(SUPERSET_VENV)/.installed
MCP_VENV := .venv-mcp
MCP_STAMP := $(MCP_VENV)/.installed
LAKEHOUSE_VENV := .venv-lakehouse
LAKEHOUSE_STAMP := $(LAKEHOUSE_VENV)/.installed
READERS_STAMP := $(LAKEHOUSE_VENV)/.installed-readers
FORECAST_VENV := .venv-forecast
AUDIT_VENV := .venv-audit
FORECAST_STAMP := $(FORECAST_VENV)/.installed
AUDIT_STAMP := $(AUDIT_VENV)/.installed

# The two environments are built side by side, and then the two lints run so.
MAKEFLAGS += --jobs=2

.PHONY: demo env test lint lint-python lint-declared nightly format up down rotate status dashboards assistant book screenshots bench claims lakehouse forecast audit audit-dependencies

demo: env $(SUPERSET_STAMP)  ## a simulated shop, its warehouse, its KPIs and their dashboards
	@env -u OPERATIONAL_URL $(VENV)/bin/python -m pipeline.services up
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

# Superset asks for older packages than the pipeline uses, and some of those have no wheels for Python 3.13.
$(SUPERSET_STAMP): superset/requirements.lock
	@echo "Installing Superset into $(SUPERSET_VENV) (some 800 MB) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit((3, 11) > v or v > (3, 12)) ' || \
	    { echo "cannot build $(SUPERSET_VENV), because $$($(PYTHON) --version) is not Python 3.11-3.12;" \
	           "install one and run: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(SUPERSET_VENV)
	@$(SUPERSET_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# Superset again, with the packages of its MCP service, of which the server of the dashboards needs none.
$(MCP_STAMP): superset/requirements-mcp.lock $(SUPERSET_STAMP)
	@echo "Installing Superset's MCP service into $(MCP_VENV) (some 900 MB) ..."
	@$(SUPERSET_VENV)/bin/python -m venv --clear $(MCP_VENV)
	@$(MCP_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# Spark 3.5, as on EMR, for the star on the lake. pip makes it of its source, with a setuptools of its own choice.
LAKEHOUSE_PIP := $(LAKEHOUSE_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes
$(LAKEHOUSE_STAMP): requirements-spark.lock
	@echo "Installing Spark 3.5 into $(LAKEHOUSE_VENV) (some 400 MB) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit((3, 11) > v or v > (3, 12)) ' || \
	    { echo "cannot build $(LAKEHOUSE_VENV), because $$($(PYTHON) --version) is not Python 3.11-3.12;" \
	           "install one and run: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(LAKEHOUSE_VENV)
	@$(LAKEHOUSE_PIP) -r $<
	@touch $@

# Iceberg's jar, and other programs that read its tables.
$(READERS_STAMP): tests/lakehouse/requirements.lock $(LAKEHOUSE_STAMP)
	@echo "Installing what the tests of the lake star need into $(LAKEHOUSE_VENV) ..."
	@$(LAKEHOUSE_PIP) -r $<
	@touch $@

lakehouse: $(STAMP) $(LAKEHOUSE_STAMP)  ## Spark 3.5, for the star on the lake; docs/scale.md
	@$(PIP) --require-hashes -r requirements-lakehouse.lock

$(FORECAST_STAMP): requirements-forecast.lock
	@echo "Installing what forecasts into $(FORECAST_VENV) (some 600 MB) ..."
	@$(PYTHON) -m venv --clear $(FORECAST_VENV)
	@$(FORECAST_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

forecast: $(FORECAST_STAMP)  ## statsforecast, for the forecast of sales; docs/forecast.md

$(AUDIT_STAMP): requirements-audit.lock
	@echo "Installing DuckDB into $(AUDIT_VENV) (some 120 MB) ..."
	@$(PYTHON) -m venv --clear $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

audit: $(AUDIT_STAMP)  ## all of source, lake and warehouse counted again by DuckDB, which shares nothing with the loads
	@$(AUDIT_VENV)/bin/python pipeline/audit/audited.py

# Without a Java 17 the tests of the lake star are skipped by name, and Spark 3.5 is not installed.
ifneq ($(filter test nightly,$(MAKECMDGOALS)),)
READERS := $(if $(shell java -version 2>&1 | grep 'version "17'),$(READERS_STAMP))
endif

test: lint $(SUPERSET_STAMP) $(FORECAST_STAMP) $(AUDIT_STAMP) $(READERS)  ## formatting, lint, types and the whole test suite
	$(VENV)/bin/pytest -n 2 --dist loadfile

lint: lint-python lint-declared  ## all but the test suite

lint-python: $(DEV_STAMP)  ## formatting, lint and types of Python
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

lint-declared: $(DEV_STAMP)  ## lint of SQL, templates, containers and shell
	$(VENV)/bin/sqlfluff lint --disable-progress-bar warehouse pipeline/generators
	$(VENV)/bin/cfn-lint deploy/aws/*.yaml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/docker/docker-compose.yml
	$(VENV)/bin/hadolint deploy/docker/*.Dockerfile
	$(VENV)/bin/shellcheck deploy/*.sh deploy/docker/*.sh

nightly: $(DEV_STAMP) $(READERS) $(MCP_STAMP) $(AUDIT_STAMP)  ## the random faults and rows of the test suite, ten times as many; processes for each job of Spark
	OCEAN_TEST_KILLS=100 $(VENV)/bin/pytest tests/faults tests/source/test_log.py tests/sql/test_spark_selects.py tests/lakehouse tests/lineage
	$(VENV)/bin/pytest tests/superset/test_assistant.py
	OCEAN_TEST_SPARK=processes $(VENV)/bin/pytest tests/spark tests/security/test_model_trust.py
	PYTHONPATH=.:tests $(VENV)/bin/python -m mutations
	PYTHONPATH=.:tests $(VENV)/bin/python -m enumerated --minutes 120
	PYTHONPATH=.:tests $(VENV)/bin/python -m histories --seeds 1:1000 --minutes 60
	$(VENV)/bin/python docs/claims.py --nightly

format: $(DEV_STAMP)  ## what `make test` checks, fixed where a tool can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/sqlfluff fix --disable-progress-bar warehouse pipeline/generators

up down: env  ## the embedded PostgreSQL, S3, luigid, risk-score service and Superset
	@$(VENV)/bin/python -m pipeline.services $@

rotate: env  ## new passwords and keys for all of these, which are started again
	@$(VENV)/bin/python -m pipeline.services $@

status: env  ## what is loaded, what waits, what needs attention, and the services
	@$(VENV)/bin/python -m pipeline status

dashboards: env $(SUPERSET_STAMP)  ## the dashboards as superset/ has them, served
	@$(VENV)/bin/python -m pipeline.services $@

assistant: env $(SUPERSET_STAMP) $(MCP_STAMP)  ## the dashboards, and their figures for an assistant that speaks MCP
	@SUPERSET_ASSISTANT=1 $(VENV)/bin/python -m pipeline.services dashboards

book: env  ## the data book: KPIs, freshness, tables and columns with their lineage
	@$(VENV)/bin/python -m pipeline book

screenshots: $(DEV_STAMP)  ## pictures for docs/images, of the dashboards that `make demo` serves
	@$(VENV)/bin/python superset/screenshots.py

bench: env  ## seconds, rows/s and memory of each step; figures in docs/benchmarks.md
	$(VENV)/bin/python -m benchmarks.run

claims: $(DEV_STAMP)  ## the figures of the docs that a command makes, written anew; docs/claims.yaml has what verifies each
	$(VENV)/bin/python docs/claims.py

# In an environment of its own, since it is used now and then. --strict: a package of which nothing is known is a failure.
audit-dependencies:  ## known weaknesses of the locked packages, where the network reaches PyPI's database of them
	@$(PYTHON) -m venv --clear .venv-pip-audit
	@.venv-pip-audit/bin/pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'
	@for lock in requirements.lock requirements-dev.lock superset/requirements.lock superset/requirements-mcp.lock \
	    requirements-lakehouse.lock requirements-spark.lock requirements-forecast.lock requirements-audit.lock; do \
	    .venv-pip-audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement $$lock || failed=1; \
	done; exit $${failed:-0}
