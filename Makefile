# Every verb sets up what it needs: python3 (3.11 or newer) and make are all a machine must bring.
.DEFAULT_GOAL := help
.PHONY: help venv demo test stress lint types bench services docs clean

export PYTHON
BIN := .venv/bin
DIR ?=
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamps make a second run instant; they lie in .venv, so they go with it.
.venv/.stamp-runtime: requirements/runtime.txt pyproject.toml scripts/setup
	@scripts/setup runtime

.venv/.stamp-dev: requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup dev

.venv/.stamp-bench: requirements/bench.txt .venv/.stamp-dev
	@scripts/setup bench

venv: .venv/.stamp-dev ## the development environment in .venv

demo: .venv/.stamp-runtime ## tasks over a folder of files, a worker killed half-way (DIR=path)
	@$(BIN)/postroad demo $(DIR)

test: .venv/.stamp-dev ## the tests (ARGS="-k name -x")
	@$(BIN)/python -m pytest $(ARGS)

stress: .venv/.stamp-dev ## the tests that hunt races, 20 rounds
	@POSTROAD_STRESS=$${POSTROAD_STRESS:-20} $(BIN)/python -m pytest -m stress $(ARGS)

lint: .venv/.stamp-dev ## ruff, the floors, the sizes, the house rules
	@$(BIN)/ruff check
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/house

types: .venv/.stamp-dev ## mypy --strict; usage snippets by mypy and pyright
	@scripts/types

bench: .venv/.stamp-bench ## Postroad beside its peers (ARGS="--help")
	@$(BIN)/python -m benchmarks $(ARGS)

services: ## servers that tests and benchmarks use (ARGS="up redis")
	@scripts/services $(or $(ARGS),status)

docs: .venv/.stamp-dev ## run what the docs show
	@$(BIN)/python -m pytest tests/docs $(ARGS)

clean: ## remove what make made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks examples -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
