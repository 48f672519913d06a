# Everything runs in .venv; `make demo` and `make test` need git, make and Python 3.11+ only.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto
TESTS ?= tests

.PHONY: demo test check lint format bench fuzz docs lock clean

demo: $(STAMP)
	$(BIN)/python -m keyferry.demo

test: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m "not soak" $(TESTS)

check: lint test docs $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m soak $(TESTS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

fuzz: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m soak -k fuzz $(TESTS)

docs: $(VENV)/.docs-installed
	$(VENV)/docs/bin/python -m sphinx -W -q -b html docs docs/_build/html

# Versions and hashes are pinned in locks/, without index addresses: any mirror serves.
lock: $(STAMP)
	$(BIN)/uv pip compile -q pyproject.toml --extra test --extra lint --universal --generate-hashes --no-annotate --upgrade -o locks/dev.txt --custom-compile-command "make lock"
	$(BIN)/uv pip compile -q pyproject.toml --extra docs --universal --generate-hashes --no-annotate --upgrade -o locks/docs.txt --custom-compile-command "make lock"

$(STAMP): pyproject.toml locks/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --require-hashes -r locks/dev.txt
	$(BIN)/uv pip install -q --no-deps -e .
	touch $@

$(VENV)/.docs-installed: locks/docs.txt $(STAMP)
	test -x $(VENV)/docs/bin/python || $(PYTHON) -m venv $(VENV)/docs
	$(BIN)/uv pip install -q --python $(VENV)/docs/bin/python --require-hashes -r locks/docs.txt
	$(BIN)/uv pip install -q --python $(VENV)/docs/bin/python --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) docs/_build
