# make demo: the dashboard with an example study open. make test: every check. Both make their own environment.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types unit format bench clean

demo: $(VENV)/.run
	@$(RUN) -m htcore serve --example large-left-infarct

test: lint types unit

lint: $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(VENV)/.dev
	$(RUN) -m mypy

unit: $(VENV)/.dev
	$(RUN) -m pytest --cov --cov-report=term

format: $(VENV)/.dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: $(VENV)/.dev
	$(RUN) -m benchmarks

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache tests/output

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@echo "Making the environment in $(VENV), once: 2 GB, two to five minutes without a word."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements.txt $(VENV)/.made
	@$(RUN) -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt $(VENV)/.made
	@$(RUN) -m pip install --quiet -r requirements-dev.txt
	@touch $@ $(VENV)/.run
