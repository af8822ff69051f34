# Everything a newcomer needs is `make demo` and `make test`; CI runs `make check`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check lint format clean benchmark

# A virtual environment with the locked dependencies. Needs Python 3.11+ and nothing else.
setup: .venv/.ready
.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lambdactl needs Python 3.11 or newer: try `make PYTHON=python3.12 ...`")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo 'install venv: apt-get install python3-venv' >&2; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv sync --quiet --frozen --all-extras
	@touch $@

# Validate, plan, apply, run-local, launch: against an embedded AWS, with a scripted model.
demo: setup
	@$(BIN)/python -m tests.demo

# What is missing on this machine is said first; then no test may be skipped for it. What takes from all
# others comes last, and alone.
test: setup
	@$(BIN)/python -m tests.support.preflight
	LAMBDACTL_REQUIRE_TOOLS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not alone"
	LAMBDACTL_REQUIRE_TOOLS=1 $(BIN)/python -m pytest -m alone

check: lint test

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

benchmark: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
