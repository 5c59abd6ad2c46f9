# Everything here runs on a fresh clone with Python 3.11 to 3.13 and make alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Before PATH changes: the Python that makes an environment must not be that environment's.
INTERPRETER := $(shell command -v $(PYTHON))
$(if $(INTERPRETER),,$(error $(PYTHON) is not here: give one that is, PYTHON=python3.12))
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Images set it. Tests start hundreds of processes, and each would compile the same files again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# tools/environment.py says what it does and why. An environment that is complete takes it a tenth of a second.
setup: ## Set up the virtual environment, once
	@$(INTERPRETER) tools/environment.py $(if $(filter-out file,$(origin PYTHON)),--exact-python) $(VENV)

# Another order each time: a test that counts on another one is found out, and SEED=N has the order of a failure again.
SEED := $(or $(SEED),$(shell date +%N))

# Tests wait for processes and clocks half of the time: two workers for each core keep it busy.
WORKERS := $(or $(WORKERS),$(shell $(INTERPRETER) -c 'import os; print(min(12, 2 * (os.cpu_count() or 1)))'))

test: setup lint ## Check and test everything, in any order (SEED=N: in that of another time; WORKERS=1: one by one)
	@echo "Testing everything; on two quiet cores this takes about eight minutes. A dot is a test that passed."
	@$(BIN)/python -m pytest --no-header --numprocesses $(WORKERS) --dist worksteal \
		--random-order-bucket module --random-order-seed $(SEED) || \
		{ echo "Something failed. To have the same order again: make test SEED=$(SEED)"; exit 1; }
	@echo "Everything is tested."

test-all: ## Run the tests on Python 3.11, 3.12 and 3.13, those that are here
	@for version in 3.11 3.12 3.13; do \
		if command -v python$$version >/dev/null && python$$version -c '' 2>/dev/null; then \
			echo "Python $$version"; $(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venv$$version || exit 1; \
		else echo "Python $$version is not here: not tested"; fi; done

lint: setup ## Check style and types
	@echo "Checking style and types: some seconds."
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@echo "Style and types are in order."

fault-matrix: setup ## Try every fault in every call, and print what CloudFormation hears of each
	@$(BIN)/python -m pytest --quiet --numprocesses auto --fault-matrix tests/faults/test_fault_matrix.py

demo: setup ## Show the type at work on the local cloud
	@$(BIN)/python -m tools.demo

demo-svg: setup ## Record the demo as the picture in the README
	@$(BIN)/python -m tools.demo --record assets/demo.svg

generate: setup ## Write what is generated: models, docs and role from the schema, attributes of AWS's types
	@$(BIN)/python -m tools.generate

editor-schema: setup ## Write a JSON Schema for editors to build/editor/ (TYPE_NAME=Acme::SageMaker::Model)
	@$(BIN)/python -m tools.editor_schema $(if $(TYPE_NAME),--type-name $(TYPE_NAME))

package: setup ## Build the registrable package in build/ and try it (TYPE_NAME=Acme::SageMaker::Model)
	@$(BIN)/python -m tools.package $(if $(TYPE_NAME),--type-name $(TYPE_NAME))

test-package: setup ## Run the contract and end-to-end tests on the package instead of the source
	@$(MAKE) --no-print-directory package TYPE_NAME=
	@$(BIN)/python -m cfnbox contract --code build/aws-sagemaker-model/function
	@$(BIN)/python -m pytest --quiet tests/e2e --code build/aws-sagemaker-model/function

sam-local: setup ## Send the events of sam-tests/ to the function in SAM's container (needs a Docker engine)
	@$(BIN)/python -m tools.sam_local

bench: setup ## Measure against the floor; writes bench/ and the table of guide/
	@$(BIN)/python -m bench

fuzz: setup ## Try up to 2,500 new examples of each property, of the type and of the local cloud
	@FUZZ=1 $(BIN)/python -m pytest --quiet --numprocesses auto -m hypothesis

soak: setup ## Run 2,000 lifecycles through one handler process: it must keep its size
	@$(BIN)/python -m tests.soak

acceptance: setup ## Tell the type's whole story on the local cloud (LIVE=1: on a real account; it says first what it makes)
	@$(BIN)/python -m acceptance $(if $(LIVE),--live) $(if $(CONFIRM),--confirm $(CONFIRM)) $(if $(REMOVE),--remove $(REMOVE))

endings: setup ## End every command by every signal, fifty times each on a busy machine: nothing may be left
	@$(BIN)/python -m tests.endings

lock: setup ## Resolve requirements*.in into requirements*.txt, with hashes (UPGRADE=1: to the newest versions)
	@for name in requirements requirements-dev requirements-sam; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
			$(if $(UPGRADE),--upgrade) $$name.in --output-file $$name.txt \
			$$(test $$name != requirements-dev || echo cfnbox/pyproject.toml --all-extras) || exit 1; done

# Asks PyPI's vulnerability service. Strict: what could not be looked up is not audited, and must not look so.
audit: setup ## Look for known vulnerabilities in what is locked (needs the network)
	@for name in requirements requirements-dev requirements-sam; do \
		$(BIN)/pip-audit --strict --progress-spinner off --require-hashes --disable-pip --requirement $$name.txt || \
			{ echo "$$name.txt did not pass the audit. Either vulnerabilities are listed above, or the vulnerability" \
				"service could not be asked: then nothing was audited, here and now."; exit 1; }; done

.PHONY: help setup test test-all lint fault-matrix demo demo-svg generate editor-schema package test-package sam-local \
	bench fuzz soak endings acceptance lock audit
