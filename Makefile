# `make demo` and `make test` are all a newcomer needs: each makes its own environment first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-adapters test-matrix bench attack check lint types layers lowest clean

help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

demo: $(VENV)/.package  ## Watch an autoencoder memorize real pictures (half a minute)
	@$(BIN)/mnemoscope demo

test: $(VENV)/.dev  ## Run all tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

test-matrix: $(VENV)/.dev  ## Run the numerical tests in eight settings of the processor (hours on two cores)
	@$(BIN)/python .ci/test-matrix

# A second backend.
BESIDE_keras := jax

ADAPTERS := $(patsubst tests/adapters/test_%.py,%,$(wildcard tests/adapters/test_*.py))

test-adapters: $(patsubst %,test-adapter-%,$(or $(NAME),$(ADAPTERS)))  ## Test adapters with the real libraries: NAME=pyod, or all (gigabytes of downloads)

test-adapter-%: .venv-adapters/%/.made
	@OMP_NUM_THREADS=1 .venv-adapters/$*/bin/python -m pytest -p no:cacheprovider -rs tests/adapters/test_$*.py

.PRECIOUS: .venv-adapters/%/.made
.venv-adapters/%/.made: pyproject.toml tests/adapters/constraints/%.txt
	@echo "Making the environment of the adapter $* in .venv-adapters/$* ..."
	@$(PYTHON) -m venv .venv-adapters/$*
	@.venv-adapters/$*/bin/python -m pip install --quiet --disable-pip-version-check -c tests/adapters/constraints/$*.txt -e '.[$(subst _,-,$*)]' pytest $(BESIDE_$*)
	@touch $@

bench: .venv-bench/.made  ## Measure against peers and what one would write by hand (an hour): benchmarks/results.md
	@.venv-bench/bin/python benchmarks/run.py

.venv-bench/.made: pyproject.toml benchmarks/constraints.txt
	@echo "Making the environment of the benchmarks in .venv-bench ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -c benchmarks/constraints.txt -e '.[bench]'
	@touch $@

attack: $(VENV)/.dev  ## Hostile input, kills, full disks, races: counts what goes wrong (half an hour)
	@OMP_NUM_THREADS=1 $(BIN)/python -m attack

check: lint types layers lowest test  ## Everything that must be green

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell -D - -D .ci/words.txt $(shell git ls-files 2>/dev/null)

types: $(VENV)/.dev
	$(BIN)/basedpyright

layers: $(VENV)/.dev
	$(BIN)/lint-imports

lowest: $(VENV)/.dev
	@$(BIN)/python .ci/lowest

clean:  ## Remove the environments
	rm -rf $(VENV) .venv-adapters .venv-bench

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 2; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Mnemoscope and what it needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Mnemoscope and what its tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.package
