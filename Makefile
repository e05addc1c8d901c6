# Nothing but python3, make and git is needed. `make help` lists the targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PAGES := src/jobsight/web/assets/manifest.json

# The first of these that is 3.11 or newer makes the virtual environment; `make setup PYTHON=...` names another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1 && echo "$$python" && break; \
	done)

# Scripts in a virtual environment hold its path: a folder that was moved or copied is set up again.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): start-again
endif

# What answers at once: the house rules, and the parts that need neither a disk nor a network.
FAST := tests/test_tidy.py $(filter-out tests/unit/test_log% tests/unit/test_folder% tests/unit/test_notifiers% \
	tests/unit/test_client% tests/unit/test_retention%,$(wildcard tests/unit/test_*.py))

.PHONY: help setup pages screenshots run node demo test check static faults simulate fuzz fuzz-guided bench bench-long lock sbom clean start-again

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(PAGES) ## Make .venv with the locked dependencies and this project in it (again only when they change)

# Progress goes to stderr, so that `make node` keeps stdout for the node's answers. The stamp is written last: a setup
# that broke half-way finds none, and starts with an empty environment.
$(STAMP): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "jobsight needs Python 3.11 or newer, and none was found on PATH; install one, or name it: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@test "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" || { echo "Making $(VENV) with $(PYTHON) ..." >&2; $(PYTHON) -m venv --clear $(VENV) >&2; } \
		|| { rm -rf $(VENV); echo "$(PYTHON) -m venv failed; on Debian and Ubuntu the package python3-venv is missing" >&2; exit 1; }
	@rm -f $(STAMP)
	@echo "Installing the locked dependencies ..." >&2
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock >&2
	@if $(BIN)/python hatch_build.py needs-node; then echo "No usable node and npm on PATH: bringing one into $(VENV) for the pages ..." >&2; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-node.lock >&2; fi
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e . >&2
	@printf '%s' "$(CURDIR)" > $(STAMP)
	@echo "Ready: $(BIN)/jobsight" >&2

pages: $(PAGES) ## Build what the dashboard's pages load; what needs them does so by itself after a change in ui/

# Without Node, or without a network, everything but the pages works.
$(PAGES): ui/package-lock.json ui/build.mjs $(wildcard ui/src/*) $(wildcard src/jobsight/web/templates/*) src/jobsight/web/generated.py | $(STAMP)
	@test -n "$$JOBSIGHT_SKIP_UI" || { $(BIN)/python hatch_build.py && touch $@; } || echo "Going on without the dashboard's pages." >&2

run: $(PAGES) ## Start the monitor as a service (more arguments: make run ARGS="--listen 127.0.0.1:9000")
	@exec $(BIN)/jobsight serve $(ARGS)

screenshots: $(PAGES) ## Photograph every page, in both themes, at the width of a desk and of a phone (some: ARGS="overview task")
	@$(BIN)/python tests/screenshots.py $(ARGS)

demo: $(PAGES) ## Show it all at work: a monitor, a fleet of jobs, an inbox for the alerts; Ctrl-C ends it
	@exec $(BIN)/python examples/demo/demo.py $(ARGS)

node: $(STAMP) ## Start the node on stdin and stdout (more arguments: make node ARGS="--data DIR")
	@exec $(BIN)/jobsight node $(ARGS)

test: static $(PAGES) ## Run everything that CI runs: the static checks and all tests
	@$(BIN)/python -m pytest -n auto $(ARGS)

check: static ## Format, lint, types, import contracts, tidy test and the fast tests: under 30 seconds
	@$(BIN)/python -m pytest -n auto -m "not slow" $(FAST) $(ARGS)

static: $(STAMP)
	@$(BIN)/python -m ruff format --check --quiet . || { echo "the formatter would change these files: run $(BIN)/ruff format" >&2; $(BIN)/python -m ruff format --check .; exit 1; }
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports
	@if test -x ui/node_modules/.bin/tsc && command -v node >/dev/null; then cd ui && node_modules/.bin/tsc --noEmit; fi

faults: $(STAMP) ## Cause every fault of the list, leaving nothing out; takes about half an hour, and writes its result to tests/faults/results
	@JOBSIGHT_FAULTS=long $(BIN)/python -m pytest -n 2 -v --timeout 3600 tests/faults $(ARGS)

simulate: $(STAMP) ## Let the whole monitor live on a machine that fails, seed after seed (one of them: make simulate ARGS="--seed 7")
	@PYTHONPATH=tests:. exec $(BIN)/python -m simulation.run $(ARGS)

fuzz: $(STAMP) ## Say a million damaged messages to the monitor, each answer held against the specification
	@PYTHONPATH=tests:. exec $(BIN)/python -m fuzz.run $(ARGS)

fuzz-guided: $(STAMP) ## Let atheris make up bytes for ten minutes, guided by the paths they take (shorter: ARGS="--seconds 60")
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-guided.lock >&2 \
		|| { echo "atheris has no wheel for this Python; another one: make setup PYTHON=python3.11" >&2; exit 69; }
	@PYTHONPATH=tests:. exec $(BIN)/python -m fuzz.guided $(ARGS)

bench-long: $(STAMP) ## Measure the cost against up to ten million jobs held; takes some ten minutes
	@$(BIN)/python -m bench growth --reports 10000000 $(ARGS)

bench: $(STAMP) ## Measure against the named baselines of the same run
	@$(BIN)/python -m bench $(ARGS)

# Writes the locks anew from pyproject.toml, keeping every version that still fits; UPGRADE=--upgrade takes the newest.
LOCK = $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(UPGRADE)
lock: $(STAMP) ## Resolve the dependencies again into all locks (newest versions: make lock UPGRADE=--upgrade)
	@$(LOCK) pyproject.toml --output-file requirements.lock
	@$(LOCK) pyproject.toml --all-extras --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(LOCK) --group pyproject.toml:node --output-file requirements-node.lock
	@$(LOCK) --group pyproject.toml:guided --output-file requirements-guided.lock

# Where `make sbom` writes to.
INTO ?= dist

sbom: $(STAMP) ## Write down what a wheel is made of, as CycloneDX: the Python packages, and those of the pages (elsewhere: INTO=DIR)
	@mkdir -p $(INTO)
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file $(INTO)/jobsight-python.cdx.json
	@$(BIN)/python hatch_build.py sbom > $(INTO)/jobsight-pages.cdx.json
	@echo "$(INTO)/jobsight-python.cdx.json and $(INTO)/jobsight-pages.cdx.json" >&2

clean: ## Remove .venv, caches and built files; never a data folder
	@rm -rf $(VENV) ui/node_modules src/jobsight/web/assets build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
