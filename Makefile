# `make run` and `make test` are all a newcomer needs; each does its own set-up.
.DEFAULT_GOAL := help
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
CONSENT_PUBLIC_URL ?= http://$(if $(findstring :,$(HOST)),[$(HOST)],$(HOST)):$(PORT)
export HOST PORT
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: help run test sure soak bench screenshots format lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# The runner gives each process a PORT of its own, so the address that links are built from is said to all of them.
run: .venv/run ## Start the service on this machine and print its address
	@$(BIN)/python -c "$$TRY_PORT" "$(HOST)" "$(PORT)" 2>/dev/null || { echo "$$PORT_TAKEN"; exit 1; }
	@$(BIN)/consent-service migrate
	@trap stopped=yes INT; CONSENT_PUBLIC_URL="$(CONSENT_PUBLIC_URL)" PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/honcho start; \
	code=$$?; if [ "$$stopped" ] || [ $$code = 130 ]; then echo "Stopped, as you asked."; else exit $$code; fi

define TRY_PORT
import socket, sys
host, port = sys.argv[1:]
socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
endef
PORT_TAKEN := Port $(PORT) is taken by another program. Choose another one: PORT=8311 make run
export TRY_PORT PORT_TAKEN

test: .venv/dev ## Run every test; browser and PostgreSQL tests need Chromium and PostgreSQL
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal -m "not soak"

sure: .venv/dev ## Check format, lint, types and house rules, then run every test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

soak: .venv/dev ## Kill and restart processes under load, for minutes instead of seconds
	@$(BIN)/python -m pytest -m soak -x

bench: .venv/dev ## Measure double opt-ins beside other programs, latencies, and what the evidence costs (a quarter of an hour)
	@$(BIN)/python -m bench

screenshots: .venv/dev ## Make the pictures of the README anew
	@$(BIN)/python -m tests.browser.pictures

format: .venv/dev ## Put every file into the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: .venv/dev ## Write the lock files anew from pyproject.toml
	@$(PIP) uv
	@$(BIN)/uv pip compile --group build $(LOCK) -o requirements/build.txt
	@$(BIN)/uv pip compile pyproject.toml -c requirements/build.txt $(LOCK) -o requirements/run.txt
	@$(BIN)/uv pip compile pyproject.toml --group dev -c requirements/run.txt $(LOCK) -o requirements/dev.txt
	@$(BIN)/uv pip compile --group bench -c requirements/dev.txt $(LOCK) -o requirements/bench.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

clean: ## Remove the environment, but not var/ with its data
	rm -rf .venv build dist

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run: requirements/build.txt requirements/run.txt pyproject.toml | .venv/python
	@echo "Installing what the service needs (once, about a minute) …"
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --require-hashes --no-build-isolation -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/run
	@echo "Installing what the tests need (once, about a minute) …"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
