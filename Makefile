# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CHECK = $(PYTHON) -B -m tests.check
.DEFAULT_GOAL := help

demo test units fuzz lint sanity kernel kernel-all docs clean: | python
	@$(CHECK) $@
.PHONY: demo test units fuzz lint sanity kernel kernel-all docs clean python help

demo: ## boot machines, patch their running kernel, show it, take it back
test: ## everything below: units, lint, sanity and the real kernels
units: ## unit tests, on the newest and the oldest ansible-core and Python
fuzz: ## 200,000 damaged files to everything that reads patch files; test has the first of them
lint: ## ruff, yamllint, ansible-lint, antsibull-docs, antsibull-changelog, vermin
sanity: ## ansible-test sanity on the newest and the oldest ansible-core, and lint
kernel: ## the suite that patches real kernels in virtual machines
kernel-all: ## all of that suite: changes ended at each of their phases, and a fleet of eight; in several hours, with a table of what was seen
docs: ## build the documentation pages
clean: ## remove the caches: Python environments, logs, images of machines

# Everything else is installed by tests/check, which is Python itself.
python:
	@command -v $(PYTHON) >/dev/null || { $(SUDO) apt-get -q update && $(SUDO) apt-get -q -y install python3; }

help:
	@echo "Usage: make TARGET (each installs what it needs)"
	@sed -n 's/^\([a-z-]*\): ## /  \1\t/p' $(MAKEFILE_LIST)
