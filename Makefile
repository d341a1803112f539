# Words for people and for CI; `make` alone lists them.
# Needs Python 3.11 or later, make, and a package index that pip can reach. Everything is installed into .venv, by hash.

PYTHON ?= python3
VENV   ?= .venv
# How many pytest processes share the tests.
WORKERS ?= 2
# Passed on to pytest: make test ARGS="tests/planning -x"
ARGS   ?=
IMAGE  ?= syncd:dev
# Where the sources lie: a label of the image.
SOURCE ?= https://git.example/syncd

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input
LOCKED  := $(INSTALL) --require-hashes --no-deps
WHEELS  := --only-binary :all:
# The build backend comes from the lock too, so building asks no index for anything unpinned.
PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .
comma   := ,
MADE    := $(VENV)/.made-with-$(subst /,_,$(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint simulate mutate night bench image docs pictures release setup kerberos tables lock clean
.DELETE_ON_ERROR:

help: ## this list
	@echo "make WORD; a word installs what it needs first"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-12s%s\n", $$1, $$2}'
	@echo "  another Python:  make test PYTHON=python3.12      some tests:  make test ARGS=\"tests/planning -x\""

demo: $(VENV)/.run ## watch syncd work, on a company that comes with it
	@$(BIN)/syncd demo $(ARGS)

test: $(VENV)/.dev ## every test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

coverage: $(VENV)/.dev ## branch coverage of the tests; ARGS="tests/planning" of some
	@$(BIN)/coverage run -m pytest $(ARGS) && $(BIN)/coverage report --skip-covered --show-missing

lint: $(VENV)/.dev ## ruff (rules and format) and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run ruff format ." >&2; exit 1; }
	@$(BIN)/mypy

# A fixed number of seeds is part of make test; this tries others. SEED=1 YEARS=1 COMPANIES=4, REPLAY=FILE lives one again.
SEED      ?= 1
YEARS     ?= 1
COMPANIES ?= 4

simulate: $(VENV)/.dev ## years of bad days against the real thing, judged by the truth; SEED=, YEARS=, COMPANIES=, REPLAY=
	@$(BIN)/python -m tests.simulation --seed "$(SEED)" --years "$(YEARS)" --companies "$(COMPANIES)" \
	  $(if $(REPLAY),--replay "$(REPLAY)") $(ARGS)

# SEED= chooses the mutants, FULL=1 takes all of them, those of accepted.txt too (two hours).
mutate: $(VENV)/.dev ## mutants of the decision core against its tests and the stories: what lives; SEED=, FULL=1
	@$(BIN)/python -m tests.mutation --seed "$(SEED)" $(if $(FULL),--size 0,--size 1500 --minutes 22) $(ARGS)

# NIGHT="--cycles 100000 --only-simulator" for a shorter one.
night: $(VENV)/.dev ## a million simulated cycles, 1,000 kills, the whole mutation run, the measurements; the result goes into the docs
	@$(BIN)/python -m tests.simulation.night $(NIGHT)

# SAMBA_PEOPLE=50000 fills larger domains (some 3 s a thousand people, once).
bench: $(VENV)/.dev ## the measurements of tests/benchmarks, one after another; SAMBA_PEOPLE=
	@export SAMBA_PEOPLE="$(SAMBA_PEOPLE)"; failed=0; for file in $$(grep -l __main__ tests/benchmarks/*.py); do \
	  echo "== $$file"; \
	  $(BIN)/python -m tests.benchmarks.$$(basename "$$file" .py) || failed=1; \
	done; exit $$failed

BUILD_ARGS = $(if $(BASE),--build-arg BASE="$(BASE)") $(if $(CA_FILE),--secret id=ca$(comma)src="$(CA_FILE)") $(IMAGE_ARGS)

image: ## the container image (buildah, podman or docker); IMAGE=, BASE=, CA_FILE=, SOURCE=, VARIANT=kerberos
	@builder=$$(command -v buildah || command -v podman || command -v docker) \
	  || { echo "make image: none of buildah, podman and docker is here" >&2; exit 2; }; \
	set -ex; "$$builder" build --tag "$(IMAGE)" \
	  --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' syncd/__init__.py)" \
	  --build-arg REVISION="$$(git rev-parse --verify --quiet HEAD)" --build-arg SOURCE="$(SOURCE)" \
	  $(BUILD_ARGS) .; \
	$(if $(VARIANT),"$$builder" build --tag "$(IMAGE)-$(VARIANT)" --file "Dockerfile.$(VARIANT)" --build-arg IMAGE="$(IMAGE)" $(BUILD_ARGS) .)

docs: $(VENV)/.dev ## the docs as a site: build/site/index.html
	@$(BIN)/mkdocs build --quiet --strict

pictures: $(VENV)/.run ## the pictures of the docs, from the demo; needs Chromium
	@$(BIN)/python docs/images/make

release: $(VENV)/.dev ## everything of a release into dist/; RELEASE_ARGS="--key signing.pem --images amd64 arm64"
	@$(BIN)/python deploy/release --out dist $(RELEASE_ARGS)

setup: $(VENV)/.run ## only install: then there is .venv/bin/syncd

kerberos: $(VENV)/.kerberos ## also the Kerberos extra (compiles: needs gcc, the headers of krb5 and of Python)

tables: $(VENV)/.dev ## write what is made from code: tables of the docs, the chart's README, rules, dashboard
	@$(BIN)/python -m tests.architecture.readme_tables docs/reference/*.md docs/how-to/*.md
	@UPDATE_EXPECTED=1 $(BIN)/python -m pytest -q tests/reports/test_auditors_guide.py -k explained >/dev/null
	@$(BIN)/python -m tests.deploy.chart_readme
	@$(BIN)/python deploy/monitoring/mixin

# ------------------------------------------------------------------------------------------------------- installing

# A changed PYTHON makes the environment anew; one that somebody made with the same Python is kept.
$(MADE):
	@command -v "$(PYTHON)" >/dev/null || { echo "make: there is no $(PYTHON); name another: make PYTHON=python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$("$(PYTHON)" --version 2>&1), syncd needs 3.11 or later: make PYTHON=python3.12" >&2; exit 2; }
	@version='import sys; print(sys.version)'; \
	if [ "$$($(BIN)/python -c "$$version" 2>/dev/null)" != "$$("$(PYTHON)" -c "$$version")" ]; then \
	  echo "making $(VENV) with $$("$(PYTHON)" --version)"; \
	  "$(PYTHON)" -m venv --clear "$(VENV)"; \
	fi
	@rm -f $(VENV)/.made-with-*
	@touch $@

$(VENV)/.run: $(MADE) requirements.lock requirements-build.lock pyproject.toml
	@echo "installing syncd and $$(grep -c == requirements.lock) packages into $(VENV), each checked by its hash"
	@$(LOCKED) $(WHEELS) -r requirements.lock -r requirements-build.lock
	@$(PROJECT)
	@touch $@

$(VENV)/.dev: $(MADE) requirements-dev.lock pyproject.toml
	@echo "installing syncd, its tools and $$(grep -c == requirements-dev.lock) packages into $(VENV), each checked by its hash"
	@$(LOCKED) $(WHEELS) -r requirements-dev.lock
	@$(PROJECT)
	@touch $@

# gssapi publishes no wheels for Linux. pip compiles it, with a build backend that it fetches itself.
$(VENV)/.kerberos: $(MADE) requirements-kerberos.lock
	@echo "installing the Kerberos extra into $(VENV); compiling takes a minute"
	@$(LOCKED) $(WHEELS) --no-binary gssapi -r requirements-kerberos.lock
	@touch $@

# ---------------------------------------------------------------------------------------------------------- upkeep

# Pins stay as they are unless pyproject.toml asks for others; make lock UPGRADE=--upgrade renews them all. uv is told
# nothing about indexes and leaves them out, so that a lock names no host. A lock with an address in it is refused.
UV      := .cache/uv/bin/uv
COMPILE := env -u UV_INDEX -u UV_INDEX_URL -u UV_DEFAULT_INDEX -u UV_EXTRA_INDEX_URL $(UV) pip compile --quiet --no-config \
           --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

lock: ## write the lock files from pyproject.toml; UPGRADE=--upgrade renews all pins
	@test -x $(UV) || { "$(PYTHON)" -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv; }
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) --extra kerberos -c requirements.lock pyproject.toml -o requirements-kerberos.lock
	@$(COMPILE) --group dev -c requirements-kerberos.lock pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --group build -c requirements-dev.lock -o requirements-build.lock
	@! grep -l '://' requirements*.lock

clean: ## remove what was installed, built and cached here
	@rm -rf "$(VENV)" .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	@find syncd tests -name __pycache__ -type d -prune -exec rm -rf {} +
