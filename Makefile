PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
LATEST := .venv-latest/bin/python
LLM_SERVER := .venv-llm/bin/python
TORCH := $(shell grep '^torch==' constraints.txt)
TEST_OPTIONS := -n 2 --dist worksteal --doctest-modules --doctest-glob=README.md README.md tests src
NATIVE := hatch_build.py src/skdistill/runtime/_native.c src/skdistill/runtime/_native.h
SANITIZE := build/sanitize

.PHONY: demo test coverage mutants test-oldest test-latest test-llm-server constraints docs lint clean
.PHONY: native sanitize wheels

demo: $(STAMP)
	$(VENV)/bin/skdistill demo

# Tests start many processes, which are faster if Python may keep the modules that it has compiled.
test coverage: export PYTHONDONTWRITEBYTECODE =

test: $(STAMP)
	$(VENV)/bin/python -m pytest $(TEST_OPTIONS)

# A fifth slower.
coverage: $(STAMP)
	$(VENV)/bin/python -m pytest --cov --cov-report=term $(TEST_OPTIONS)

# An hour on one core; an interrupted run resumes.
mutants: $(STAMP)
	$(VENV)/bin/python tests/mutants.py

# The oldest versions that pyproject.toml allows; where no build of torch without CUDA is found, several GB.
test-oldest:
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e ".[test]"
	.venv-oldest/bin/python -m pytest -n 2 tests

# The newest version of everything but torch, whose newest build may bring several GB of CUDA.
test-latest:
	rm -rf .venv-latest
	$(PYTHON) -m venv .venv-latest
	$(LATEST) -m pip install --quiet --disable-pip-version-check "$(TORCH)" -e ".[dev,docs]"
	$(LATEST) -m pytest $(TEST_OPTIONS)

# The teacher that asks language models, in front of `transformers serve` and llama.cpp, which answer
# with tiny models made on the spot. About 1.5 GB, and two minutes once they are installed.
test-llm-server: $(STAMP)
	test -x $(LLM_SERVER) || $(PYTHON) -m venv .venv-llm
	$(LLM_SERVER) -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		"transformers[serving]" xllamacpp==2026.10.11549 gguf==0.19.0
	SKDISTILL_LLM_SERVER=$(LLM_SERVER) $(VENV)/bin/python -m pytest tests/teachers/llm/test_real_servers.py

# Pins what `make test-latest` has installed and passed with.
constraints:
	$(LATEST) -m pip list --format=freeze --exclude-editable | sed 's/+.*//' | \
		grep -vE '^(pip|wheel)==' > .venv-latest/pins
	{ sed '/^[^#]/,$$d' constraints.txt; cat .venv-latest/pins; } > .venv-latest/constraints
	mv .venv-latest/constraints constraints.txt

# Compile the C extension again, next to its source; `pip install -e .` does so, too.
native: $(STAMP)
	$(VENV)/bin/python hatch_build.py

# The tests of the C extension, which ends the process at the first read beyond an array, overflow or
# other undefined behaviour. Python itself leaks, so leaks are not looked for. One test is left out,
# because it takes minutes to make a million strings.
sanitize: $(STAMP)
	rm -rf $(SANITIZE)
	mkdir -p $(SANITIZE)
	cp -r src/skdistill $(SANITIZE)/
	$(VENV)/bin/python hatch_build.py $(SANITIZE)/skdistill/runtime \
		-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g
	LD_PRELOAD="$$($${CC:-gcc} -print-file-name=libasan.so) $$($${CC:-gcc} -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc SKDISTILL_NATIVE=1 PYTHONPATH=$(SANITIZE) \
		$(VENV)/bin/python -m pytest -p no:cacheprovider -k "not every_character" tests/runtime/test_native.py

# The wheel for this platform and the one without an extension, into dist/; both are tested in clean
# environments of each Python that is found.
wheels: $(STAMP)
	$(VENV)/bin/python tests/wheels.py

# Into docs/_build/html, without a network; SKDISTILL_DOCS_ONLINE=1 links to other projects, too.
docs: $(STAMP)
	$(VENV)/bin/python -c "import sphinx_gallery, pydata_sphinx_theme" 2>/dev/null || \
		$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(VENV)/bin/python -m pytest -n 2 --run-slow tests/test_docs.py
	$(VENV)/bin/python -m sphinx -W --keep-going -n -b html docs docs/_build/html

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .venv-oldest .venv-latest .venv-llm build dist src/skdistill/runtime/_native.*so demo-output docs/_build docs/generated docs/auto_examples

$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,test]"
	touch $@
