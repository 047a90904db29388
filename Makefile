PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
TEST_OPTIONS := -n 2 --doctest-modules --doctest-glob=README.md tests src README.md

.PHONY: demo test coverage test-oldest lint clean

demo: $(STAMP)
	$(VENV)/bin/skdistill demo

test: $(STAMP)
	$(VENV)/bin/python -m pytest $(TEST_OPTIONS)

# A fifth slower.
coverage: $(STAMP)
	$(VENV)/bin/python -m pytest --cov --cov-report=term $(TEST_OPTIONS)

# The oldest versions that pyproject.toml allows; where no build of torch without CUDA is found, several GB.
test-oldest:
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e ".[test]"
	.venv-oldest/bin/python -m pytest -n 2 tests

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .venv-oldest demo-output

$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,test]"
	touch $@
