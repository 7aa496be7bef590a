# `make up` raises a cluster on this machine, `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON := .venv/bin/python
SANDBOX := $(PYTHON) -m drover sandbox
export PYTHONPATH := $(CURDIR)/operator

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the sandbox ---

.PHONY: up down reload status
up: system .venv/ready ## Raise the sandbox with Drover and a first guest: NODES=1..8 (default 1), KUBELET=real|kwok (real)
	@$(SANDBOX) up --drover --agents --quickstart $(if $(NODES),--nodes $(NODES)) $(if $(KUBELET),--kubelet $(KUBELET))

down: ## Take the sandbox down, leaving no trace
	@$(SANDBOX) down

reload: ## Bring the code as it is now into controller and agents; guests keep running
	@$(SANDBOX) reload

status: ## Show what runs in the sandbox, and where to find what
	@$(SANDBOX) status

# --- what the machine needs ---

.PHONY: system
system: ## Install the Debian packages that are missing
	@scripts/install-system-packages.sh

.PHONY: install
install: system .venv/ready ## Make .venv with exactly the versions of requirements/dev.txt

.venv/ready: requirements/dev.txt
	@scripts/venv.sh

# --- checks and tests ---

.PHONY: check test test-install test-all generate lock bench
check: .venv/ready ## Style, types, layers, fast tests, generated files: green means mergeable
	@scripts/check.sh

test: install ## Every tier: check, then libvirt, a real control plane, whole clusters with guests, an installation
	@$(PYTHON) scripts/test.py

test-install: install ## Only the last tier: the chart on nodes that run containers
	@$(PYTHON) scripts/test.py install

test-all: install ## The same with the long tests
	@$(PYTHON) scripts/test.py --all

generate: .venv/ready ## Write CRDs and reference pages anew from the models
	@$(PYTHON) scripts/generate.py

lock: ## Write requirements/*.txt anew from pyproject.toml
	@scripts/lock.sh

bench: install ## Measure speed and cost in a sandbox of its own
	@$(PYTHON) -m benchmarks
