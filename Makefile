# make run   sets everything up: embedded PostgreSQL, demo data, every view, documentation
# make test  runs the tests
# Only make and Python 3.11 to 3.13 are needed. Another Python than the first one found: make PYTHON=...

.DEFAULT_GOAL := help
.PHONY: help run test line-coverage docs metrics lint lint-python lint-dbt bench mutants soak lock clean venv
.DELETE_ON_ERROR:
# somebody else's modules have no business in this environment
unexport PYTHONPATH PYTHONHOME

BIN := .venv/bin
DBT := $(BIN)/dbt
# Python compiles a module when it is first imported; most of what is installed never is
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
# The environment is recreated when what it is made from changes, or when the project moves. What only
# tests and checks need, twice as much again, comes with the first make test or make lint.
KEY := $(shell { pwd -P; cat requirements.lock pyproject.toml; } | cksum | tr -d ' \t')
DEV_KEY := $(shell cksum < requirements-dev.lock | tr -d ' \t')
STAMP := .venv/made-from-$(KEY)
DEV_STAMP := $(STAMP)-$(DEV_KEY)

help:
	@sed -n 's/^# \(make [a-z]* .*\)/\1/p' Makefile
	@echo 'Also: make docs, metrics, lint, line-coverage, bench, mutants, soak, lock, clean'

venv: $(STAMP)

$(STAMP):
	@if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; else set -- python3.11 python3.12 python3.13 python3 python; fi; \
	for python; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	        found=$$python; break; \
	    fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "No Python 3.11, 3.12 or 3.13 with its venv module was found; tried $$*." >&2; \
	    echo "Install one (on Debian: apt-get install python3.11-venv), or name one: make PYTHON=/path/to/python3.11 ..." >&2; \
	    exit 1; \
	fi; \
	if [ -x $(BIN)/timeback ]; then $(BIN)/timeback server stop || true; fi; \
	rm -rf .venv && \
	echo "Making .venv with $$("$$found" --version): 400 MB, which takes a minute or two without a word" && \
	"$$found" -m venv .venv && \
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock && \
	$(PIP_INSTALL) --no-build-isolation --editable . && \
	$(BIN)/timeback setup && \
	touch $@

$(DEV_STAMP): $(STAMP)
	@echo 'Adding what tests and checks need to .venv'
	@$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

run: $(STAMP)
	$(BIN)/timeback setup
	$(BIN)/timeback server start
	$(BIN)/timeback demo --keep-other-rows
	@echo 'dbt reads the project first, which takes half a minute after a change'
	$(DBT) seed --profiles-dir . --target embedded
	$(DBT) run --profiles-dir . --target embedded
	$(BIN)/timeback docs --target embedded
	@echo
	@$(BIN)/timeback status || true  # what it finds is told, and is no fault of what was made here

# Two processes, each with a server of its own; a file's tests stay together, so that they share fixtures.
# Files are handed out in order, the long ones first, and not by their number of tests. A process that a
# test ends (a library in C can) ends the run: xdist waits for ever for one that it starts in its place.
test: $(DEV_STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# The tests, and which lines of src they ran; slower by a fifth or so, which is why it is not part of make test.
line-coverage: $(DEV_STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --cov --cov-report term

docs: $(STAMP)
	$(BIN)/timeback setup
	$(BIN)/timeback docs --target embedded

# MetricFlow, and what it says of the metrics on the embedded database, which make run has filled.
metrics: $(DEV_STAMP)
	$(BIN)/timeback setup
	$(BIN)/timeback server start
	$(DBT) --quiet parse --profiles-dir . --target embedded
	PGOPTIONS='-c app.allowed_org_ids=* -c app.allowed_roar_org_ids=*' $(BIN)/mf validate-configs
	$(BIN)/timeback metrics list

# mypy takes as long as everything else together
lint: $(DEV_STAMP)
	$(MAKE) --jobs 2 lint-python lint-dbt

lint-python: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-dbt: $(DEV_STAMP)
	$(BIN)/yamllint --strict .
	$(BIN)/sqlfluff lint --processes 2 models tests analyses
	$(BIN)/timeback setup
	$(DBT) --quiet parse --profiles-dir . --target embedded
	$(BIN)/dbt-bouncer run --config-file dbt-bouncer.yml
	$(BIN)/mf validate-configs --skip-dw

bench: $(DEV_STAMP)
	PYTHONPATH=python_tests $(BIN)/python benchmark/run.py

mutants: $(DEV_STAMP)
	cd python_tests && $(CURDIR)/$(BIN)/python -m mutants.run

# Redeploys under readers, and jobs killed at random moments: half an hour.
soak: $(DEV_STAMP)
	cd python_tests && $(CURDIR)/$(BIN)/python -m soak.run

# Writes down the newest versions that pyproject.toml allows, for every system and Python it names.
lock: LOCK := UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --upgrade --quiet --universal \
    --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links pyproject.toml
lock: $(DEV_STAMP)
	$(LOCK) --extra build --output-file requirements.lock
	$(LOCK) --extra build --extra dev --constraint requirements.lock --output-file requirements-dev.lock

# Removes what make made, the demo's data included; profiles.yml may be a user's own and stays.
clean:
	-if [ -x $(BIN)/timeback ]; then $(BIN)/timeback server stop; fi
	rm -rf .venv .timeback target logs dbt_packages src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
