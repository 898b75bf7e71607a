# make demo   set up and see the whole job in ten minutes        make test    set up and run the tests
# make check  format, lint, types, tests                         make format  put the code into shape
# The Python to build with: make demo PYTHON=python3.12

PYTHON ?= python3
OUT ?= demo
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check lint types format tables clean

demo: $(READY)
	$(BIN)/lumde demo --out $(OUT)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --durations=15

check: lint types test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

tables: $(READY)
	$(BIN)/python tools/make_tables.py

$(READY): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
