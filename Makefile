# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Needs make, git, a package index and python3 (3.11 or newer). Everything is installed into .venv and .nox.

PYTHON ?= python3
VENV := .venv
SESSIONS ?=
JOBS ?= 2
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-roles docs bench clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/demo ## Try everything against the emulator, without an oCore account
	@$(VENV)/bin/python tests/tools/demo.py

test: $(VENV)/nox ## Run all tests that need no Docker engine
	@$(VENV)/bin/python tests/tools/run.py --jobs $(JOBS) '$(SESSIONS)'

test-roles: $(VENV)/nox ## Run the roles on real hosts and build the execution environment (needs a Docker engine)
	@$(VENV)/bin/python tests/tools/run.py roles execution_environment

docs: $(VENV)/nox ## Build the documentation site into .build/site/html
	@$(VENV)/bin/python tests/tools/run.py docs

bench: $(VENV)/nox ## Measure it beside others: table, JSON and picture in .build/bench (BENCH=--quick: small numbers)
	@$(VENV)/bin/nox --session bench -- $(BENCH)

clean: ## Remove everything that was made here
	rm -rf .build .nox $(VENV) tests/output

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo: tests/tools/demo-requirements.txt extensions/emulator/requirements.txt | $(VENV)/bin/python
	@echo "Installing what the demo needs into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/tools/demo-requirements.txt -r extensions/emulator/requirements.txt
	@touch $@

$(VENV)/nox: tests/tools/nox-requirements.txt | $(VENV)/bin/python
	@echo "Installing nox into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/tools/nox-requirements.txt
	@touch $@
