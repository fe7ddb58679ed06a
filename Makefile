# Every target works on a machine with nothing but Debian's python3 (3.11 or newer), make and git.
# PYTHON=… chooses the interpreter, ARGS=… is passed on to the program that a target runs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev
PYTHON ?=
ARGS ?=
export PYTHON

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-emit-index-url --extra agent --extra server --group build

PYTEST = PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m pytest -rs

.PHONY: help demo lab test coverage check format bench bundle dashboards lock clean run dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUN) ## a district of 16 rooms on this machine (ARGS=--once ends after one test)
	@$(BIN)/diemcau demo $(ARGS)

# Tests that measure real lines run alone: others beside them would be the load that they find.
# The others mostly wait, for programs and for silence: three of them keep two processors busy.
# Both parts always run; 5 says that ARGS chose none of a part's tests, which one part may.
# $(1) and $(2) are what pytest is told for the tests side by side and for those alone.
define BOTH_PARTS
$(PYTEST) -n 3 -m "not alone" $(1) $(ARGS); beside=$$?; \
$(PYTEST) -n 0 -m alone $(2) $(ARGS); alone=$$?; \
case $$beside,$$alone in \
0,0|0,5|5,0) ;; \
*) echo "tests side by side ended with $$beside, tests alone with $$alone" >&2; exit 1 ;; \
esac
endef

test: $(DEV) ## all tests; as root, installs the programs that they need
	@scripts/test-packages.sh
	@$(call BOTH_PARTS)

coverage: $(DEV) ## all tests, with branch coverage of both parts together
	@$(call BOTH_PARTS,--cov --cov-report=,--cov --cov-append)

check: $(DEV) ## format, lint, types, import rules, alert rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/check-deploy.sh

format: $(DEV) ## set the format and what else the linter can set right
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lab: $(DEV) ## scenarios on shaped lines, as root (SCENARIOS=200 SEED=1; without: the named ones)
	@scripts/test-packages.sh
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.lab \
		$(if $(SCENARIOS),--scenarios $(SCENARIOS) --seed $(or $(SEED),1)) $(ARGS)

bench: $(DEV) ## the figures of the project on this machine
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.bench $(ARGS)

bundle: $(DEV) ## dist/: all that a machine without network needs (ARGS='--system windows')
	@$(BIN)/python scripts/bundle.py $(ARGS)

dashboards: $(DEV) ## write deploy/grafana/dashboards anew from their code
	@$(BIN)/python -m diemcau_dashboards

# The second file starts as a copy of the first: uv keeps the versions that it finds there.
lock: $(DEV) ## write requirements/ anew (ARGS=--upgrade takes newer versions)
	@$(COMPILE) --extra postgresql --group dev --output-file requirements/dev.txt $(ARGS)
	@cp requirements/dev.txt requirements/run.txt
	@$(COMPILE) --output-file requirements/run.txt
	@! grep -n '://' requirements/*.txt

run: $(RUN) ## .venv with what the programs need

dev: $(DEV) ## .venv with what tests and checks need as well

clean: ## remove .venv, what was built, and caches
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements/run.txt pyproject.toml scripts/venv.sh
	@scripts/venv.sh requirements/run.txt
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml scripts/venv.sh
	@scripts/venv.sh requirements/dev.txt
	@touch $(RUN) $@
