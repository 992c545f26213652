# Each target sets up what it needs in .venv, on a machine that has Python 3.10+ and make.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.setup
RUFF_PATHS := agent watchdog tests bench examples completions

.PHONY: demo test lint format bench idioms frameworks agent-pythons store-sqlites system-packages clean

demo: $(SETUP)/demo  ## install and watch real trainings being killed, frozen, finished
	$(BIN)/epochwatchd demo

test: $(SETUP)/test system-packages  ## install and run all tests
	$(BIN)/pytest

lint: $(SETUP)/lint  ## style, types, and who may import whom
	$(BIN)/ruff check $(RUFF_PATHS)
	$(BIN)/ruff format --check $(RUFF_PATHS)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(SETUP)/lint  ## put the code into shape
	$(BIN)/ruff check --fix $(RUFF_PATHS)
	$(BIN)/ruff format $(RUFF_PATHS)

bench: $(SETUP)/bench  ## measure, side by side with others
	$(BIN)/python bench/run.py

idioms: $(SETUP)/test  ## install real launchers (MPI, accelerate, Lightning, Ray), and try every way to start a training
	./tests/launchers.sh
	$(BIN)/pytest tests/e2e/test_launchers.py tests/e2e/test_frameworks.py tests/e2e/test_idioms.py tests/e2e/test_notebooks.py

frameworks: idioms  ## the same, the frameworks that need a torch of their own, and the oldest versions
	./tests/frameworks.sh
	$(BIN)/pytest tests/e2e/test_frameworks.py
	EPOCHWATCH_FRAMEWORKS=oldest $(BIN)/pytest tests/e2e/test_frameworks.py -k '(plan_step or goes_on) and not (JAX or fastai or mmengine or (goes_on and transformers))'

agent-pythons:  ## run the agent's tests on every Python from 3.8 on that the machine has
	./tests/agent-pythons.sh

store-sqlites:  ## run the store's tests with the oldest and the newest SQLite, and the system's own
	./tests/store-sqlites.sh

system-packages:  ## what the systemd test needs, where we may install it
	@./tests/system-packages.sh

clean:
	rm -rf .venv dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(SETUP)/venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "epochwatch needs Python 3.10 or newer here: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(SETUP) && touch $@

$(SETUP)/demo: $(SETUP)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[daemon]'
	@touch $@

$(SETUP)/%: $(SETUP)/demo pyproject.toml
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@
