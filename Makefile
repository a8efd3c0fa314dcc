# make demo   the console on the embedded cluster
# make test   the tests
# Both install into .venv from hash-pinned locks first; uv is used where it is on the PATH.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ARGS ?=

ifdef UV
create = $(UV) venv --python $(PYTHON) $(VENV)
install = $(UV) pip install --python $(BIN)/python
else
create = $(PYTHON) -m venv $(VENV)
install = $(BIN)/python -m pip install --disable-pip-version-check
endif

.PHONY: demo run test check format bench screenshots lock clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@echo "servegrid: creating $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "servegrid: Python 3.11 or newer is needed; run: make PYTHON=python3.11 …"; exit 1; }
	@$(create)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "servegrid: installing what the console needs"
	@$(install) --require-hashes -r requirements.lock
	@$(install) --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "servegrid: installing what the tests and checks need"
	@$(install) --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/servegrid demo $(ARGS)

run: $(VENV)/.run
	@$(BIN)/servegrid $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(VENV)/.dev
	$(BIN)/python docs/screenshots.py

# Needs uv. The locks hold hashes and no URLs, so any index or mirror will do.
lock:
	uv pip compile -q pyproject.toml --universal --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --python-version 3.11 -o requirements.lock
	uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --python-version 3.11 -c requirements.lock -o requirements-dev.lock
	uv pip compile -q pyproject.toml --extra agent --universal --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --python-version 3.11 -c requirements.lock -o requirements-agent.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
