# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CHECK = $(PYTHON) -B -m tests.check
.DEFAULT_GOAL := help

demo test test-all units fuzz lint sanity kernel kernel-all kernels matrix docs release clean: | python
	@$(CHECK) $@
.PHONY: demo test test-all units fuzz lint sanity kernel kernel-all kernels matrix docs release clean python help

demo: ## start two machines, patch their running kernel, show it, roll it back
test: ## a quarter of an hour: most units on the newest ansible-core, lint, short fuzz, core tests on real kernels
test-all: ## what CI runs: test, then the other units, also on the oldest ansible-core and Python 3.6, sanity, the other tests on real kernels
units: ## unit tests, on the newest and the oldest ansible-core and on Python 3.6
fuzz: ## feed 200,000 damaged files to everything that reads patch files
lint: ## ruff, yamllint, ansible-lint, import-linter, mypy and more, and the checks of antsibull-nox
sanity: ## lint, and ansible-test sanity on the newest and the oldest ansible-core
kernel: ## the tests that patch real kernels in virtual machines
kernel-all: ## the same and their exhaustive part, in several hours, with a table of what was seen
kernels: ## the same on every kernel of the lab, in most of a day, into a table of the documentation; KERNELS="5.10 7.2" for some
matrix: ## every supported ansible-core and Python of hosts, and real guests, into tables of the documentation; PART="2.16 3.6" for some
docs: ## build the documentation pages
release: ## make a release: changelog, commit, tag, tarball; VERSION=0.1.0
clean: ## remove the caches: Python environments, reports, images of machines

# Everything else is installed by tests/check, which is Python itself.
python:
	@command -v $(PYTHON) >/dev/null || { $(SUDO) apt-get -q update && $(SUDO) apt-get -q -y install python3; }

help:
	@echo "Usage: make TARGET (each installs what it needs)"
	@sed -n 's/^\([a-z-]*\): ## /  \1\t/p' $(MAKEFILE_LIST)
