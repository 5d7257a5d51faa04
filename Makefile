# Two commands: `make quickstart` runs everything once, `make test` passes the tests. Both may be run again.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
# No GPU: the CPU build, an order of magnitude smaller. Where its index does not answer, the plain one is asked.
TORCH_CPU := https://download.pytorch.org/whl/cpu
TORCH_INDEX = $(if $(shell command -v nvidia-smi),,$(shell $(PYTHON) -c "from urllib.request import urlopen; \
  urlopen('$(TORCH_CPU)/torch/', timeout=10)" 2>/dev/null && echo --extra-index-url $(TORCH_CPU)))
# llama-cpp-python without the programs that come with llama.cpp: half as long to compile.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF '-DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/lilm/llamacpp/build.cmake'
# DeepSpeed compiles what it needs when it is first used.
export DS_BUILD_OPS ?= 0
NPM_BIN := dev/node_modules/.bin
JAVASCRIPT := '{demo,tests,wasm}/**/*.{js,mjs,mts}' '!**/*.d.mts'
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --progress-bar off

.PHONY: quickstart test setup tools wheel lint lint-python lint-js format-js types docs clean

quickstart: setup tools
	$(BIN)/lilm run --recipe quickstart

setup: $(VENV)/.installed

$(VENV)/.installed: constraints.txt pyproject.toml
	@command -v c++ >/dev/null || { echo "no C++ compiler — type: sudo apt-get install g++"; exit 2; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) || { \
	  echo "python cannot make a venv; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 2; }; }
	@echo "1/3 installing torch $(TORCH)"
	@$(PIP) $(TORCH_INDEX) torch==$(TORCH)
	@echo "2/3 compiling llama.cpp and installing everything else (about 4 minutes on 2 cores, once)"
	@$(PIP) -c constraints.txt -e .
	@echo "3/3 checking"
	@$(BIN)/lilm --version
	@touch $@

# What is installed already stays as it is: -e would compile it again.
$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) -c constraints.txt 'lilm[dev]'
	@touch $@

# Debian's packages; asked for only when missing under every name and in every place where LiLM looks, installed only when
# allowed.
tools:
	@missing=""; has() { for one; do command -v "$$one" >/dev/null && return; done; return 1; }; \
	has emcc "$${LILM_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/lilm}/toolchain/bin/emcc" || [ -n "$$EMSDK" ] \
	  || missing="$$missing emscripten"; \
	has chromium chromium-browser google-chrome || missing="$$missing chromium"; \
	has node nodejs || missing="$$missing nodejs"; \
	command -v patch >/dev/null || missing="$$missing patch"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; else \
	  echo "missing:$$missing — type: sudo apt-get install --no-install-recommends$$missing"; exit 2; fi; \
	echo "installing$$missing"; \
	$$sudo apt-get update -qq && $$sudo apt-get install -qq -y --no-install-recommends $$missing >/dev/null

# In two processes, each with whole folders of tests, which share models and builds. Threads of OpenMP sleep while they
# wait: on two cores, two processes whose threads spin take four times as long.
test: $(VENV)/.installed-dev tools
	OMP_WAIT_POLICY=PASSIVE PYTHONSAFEPATH=1 $(BIN)/pytest -n 2 $(PYTEST_ARGS)

# What users install, unpacked in build/wheel: `PYTHONPATH=$PWD/build/wheel make test` tests it instead of the checkout.
wheel: $(VENV)/.installed-dev
	@rm -rf build/lib build/wheel dist
	@$(BIN)/python -m build --outdir dist . >/dev/null
	@$(PIP) --no-deps --target build/wheel dist/lilm-*.whl

lint: lint-python lint-js

lint-python: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p lilm

lint-js: dev/node_modules/.installed
	$(NPM_BIN)/tsc -p dev/tsconfig.json
	$(NPM_BIN)/tsc -p dev/tsconfig.site.json
	$(NPM_BIN)/tsc -p dev/tsconfig.service-worker.json
	$(NPM_BIN)/prettier --config dev/prettier.json --log-level warn --check $(JAVASCRIPT)

# What checks the JavaScript, as pinned; no user needs it.
dev/node_modules/.installed: dev/package-lock.json
	@command -v npm >/dev/null || { \
	  echo "no npm, which brings what checks the JavaScript — type: sudo apt-get install npm"; exit 2; }
	@npm ci --prefix dev --silent --no-audit --no-fund || { echo "npm cannot fetch what dev/package.json names"; exit 2; }
	@touch $@

format-js: dev/node_modules/.installed
	$(NPM_BIN)/prettier --config dev/prettier.json --log-level warn --write $(JAVASCRIPT)

# The types of the runtime, from its JSDoc. They are kept in git, since they are installed, and users have no npm.
types: dev/node_modules/.installed
	$(NPM_BIN)/tsc -p dev/tsconfig.types.json
	cp build/types/lilm.d.mts build/types/errors.d.mts wasm/runtime/

# The pages, in build/docs. A link that leads nowhere ends it; so does a generated page that the code would write otherwise.
docs: $(VENV)/.installed-dev
	$(BIN)/python dev/docs/generate.py --check
	$(BIN)/zensical build --clean --strict

clean:
	rm -rf $(VENV) build dist *.egg-info runs
