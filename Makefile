# Every target makes the environment (.venv) by itself; nothing else has to be installed first.

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.made
WORKERS ?= 2
MINUTES ?= 60
JOBS    ?= 10000
PYTEST  := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup
CODE    := syft_job tests $(wildcard benchmarks scripts/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all soak coverage conformance lint format bench clean

help:
	@echo 'make demo         two people, one folder, one job, start to end'
	@echo 'make test         every behaviour, in some minutes (ARGS="..." goes to pytest)'
	@echo 'make test-all     the same with real sizes, all engines and long fuzzing; writes the table of reliability.md'
	@echo 'make soak         a runner for an hour, with everything going wrong (MINUTES=60 JOBS=10000)'
	@echo 'make coverage     make test, with what it did not reach'
	@echo 'make conformance  which statements of the checklist have a test'
	@echo 'make lint         ruff, mypy --strict, the layers'
	@echo 'make format       ruff, writing'
	@echo 'make bench        speed beside that of the peers'
	@echo 'make clean        remove the environment and all caches'

$(STAMP): pyproject.toml scripts/make-env scripts/find-python scripts/system-packages
	@sh scripts/make-env $(VENV)
	@touch $@

demo: $(STAMP)
	@$(BIN)/syft-job demo

test: $(STAMP)
	$(PYTEST) -m 'not slow' $(ARGS)

test-all: $(STAMP)
	@sh scripts/system-packages --all
	rm -rf .reliability
	$(PYTEST) --long $(ARGS)
	$(if $(ARGS),@echo 'Not all tests were asked for: docs/explanation/reliability.md is not written.',$(BIN)/python -m tests.reliability)

# Ends with an error when anything was lost, ran twice or is left over.
soak: $(STAMP)
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --jobs $(JOBS) $(ARGS)

coverage: $(STAMP)
	$(PYTEST) -m 'not slow' --cov --cov-report=term-missing:skip-covered $(ARGS)

conformance: $(STAMP)
	@$(BIN)/python -m pytest -q -q --collect-only --conformance-report

# Each check runs, and one failure is enough.
lint: $(STAMP)
	@failed=; \
	for check in 'ruff check .' 'ruff format --check .' 'mypy $(CODE)' 'lint-imports --no-logo'; do \
	    echo "$$check"; $(BIN)/$$check || failed="$$failed [$$check]"; \
	done; \
	if [ -n "$$failed" ]; then echo "lint failed:$$failed" >&2; exit 1; fi

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build dist htmlcov .ci/log .reliability .coverage .coverage.* .hypothesis .benchmarks
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find syft_job tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
