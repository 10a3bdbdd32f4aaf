# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Needs make, git, a package index and python3 (3.11 or newer). Everything is installed into .venv and .nox.

PYTHON ?= python3
VENV := .venv
NOX := $(VENV)/bin/nox
RUN := $(VENV)/bin/python tests/tools/run.py
# Sessions at once.
JOBS ?= 2
# For the program that a target runs.
ARGS ?=
TARGET ?=
# Those that take longest begin first.
SESSIONS ?= integration unit lint platform sanity ansible_units build docs examples report contract soak render
CORES ?= 2.19 2.20 2.22
MATRIX ?= $(foreach core,$(CORES),integration-$(core) unit-$(core) sanity-$(core)) unit-lowest sanity-devel

.DEFAULT_GOAL := help
.PHONY: help demo unit integration lint docs sanity soak soak-hosts bench test test-matrix test-roles clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/demo ## Try everything against the emulator, without an oCore account (ARGS=--keep: leave it running)
	@$(VENV)/bin/python tests/tools/demo.py $(ARGS)

unit: $(NOX) ## Run unit tests (ARGS="-k retry": some; without ARGS all, and their coverage)
	@$(NOX) -s unit -- $(ARGS)

integration: $(NOX) ## Run integration targets (TARGET=ocore_fleet: one)
	@$(NOX) -s integration -- $(TARGET) $(ARGS)

lint: $(NOX) ## Check style, types, imports, dead code and licences
	@$(NOX) -s lint

docs: $(NOX) ## Check the documentation and build the site into .build/site/html
	@$(NOX) -s docs

sanity: $(NOX) ## Run the sanity tests of ansible-test (ARGS="--test pep8": one)
	@$(NOX) -s sanity -- $(ARGS)

soak: $(NOX) ## Run the campaigns at full size (ARGS="--campaign hostile": one; ARGS=--help)
	@$(NOX) -s campaigns -- $(ARGS)

soak-hosts: $(NOX) ## Kill runs of the host roles and break the host under them (needs a Docker engine; ARGS: see --help)
	@$(NOX) -s soak_hosts -- $(ARGS)

bench: $(NOX) ## Measure it beside others: table, JSON and picture in .build/bench (ARGS=--quick: small numbers)
	@$(NOX) -s bench -- $(ARGS)

test: $(NOX) ## Run everything that needs no Docker engine, on the newest ansible-core (SESSIONS="lint docs": some)
	@$(RUN) --jobs $(JOBS) $(SESSIONS)

test-matrix: $(NOX) ## Run units, integration and sanity on the other ansible-cores, and units with the oldest libraries (CORES=2.19: one)
	@$(RUN) --jobs $(JOBS) $(MATRIX)

test-roles: $(NOX) ## Run the roles on real hosts and build the execution environment (needs a Docker engine)
	@$(RUN) --jobs 1 roles execution_environment

clean: ## Remove everything that was made here
	rm -rf .build .nox $(VENV) tests/output

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo: tests/tools/demo-requirements.txt extensions/emulator/requirements.txt | $(VENV)/bin/python
	@echo "Installing what the demo needs into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/tools/demo-requirements.txt -r extensions/emulator/requirements.txt
	@touch $@

$(NOX): tests/tools/nox-requirements.txt | $(VENV)/bin/python
	@echo "Installing nox into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/tools/nox-requirements.txt
	@touch $@
