# Every task of the project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
PY := $(VENV)/bin/python
STAGE := tools/stage
SOURCES := engine operator dashboards tools tests
# Half of the unit tests by time: those of the engine that keep rows.
HALF := $(addprefix tests/engine/,adapters ports runtime workers test_command_line.py test_replay.py)

# Each of the many processes of the tests would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.complete: requirements.lock pyproject.toml tools/venv
	tools/venv $(VENV)

.PHONY: demo
demo: $(VENV)/.complete ## Cluster, operator, simulated exchange, one TradingEngine: until its first filled paper order
	$(PY) -m tools.demo up

.PHONY: demo-down
demo-down: $(VENV)/.complete ## Remove what the demo made (the cluster stays: `make cluster-down`)
	$(PY) -m tools.demo down

.PHONY: test
test: ## Everything: lint, types, layers, generated files, unit, replay beside apiserver, e2e; each with its time
	@$(STAGE) setup 900 $(MAKE) -s $(VENV)/.complete
	@$(STAGE) lint 300 $(MAKE) -s lint
	@$(STAGE) verify 120 $(MAKE) -s verify
	@$(STAGE) programs 900 $(MAKE) -s programs
	@$(STAGE) unit 300 $(MAKE) -s unit
	@nice -n 5 $(STAGE) replay 1500 $(MAKE) -s replay > out/replay.log 2>&1 & replay=$$!; \
	$(STAGE) apiserver 1500 $(MAKE) -s apiserver; first=$$?; \
	wait $$replay; second=$$?; cat out/replay.log; exit $$((first || second))
	@$(STAGE) cluster 3000 $(MAKE) -s cluster-up
	@$(STAGE) images 900 $(MAKE) -s images
	@$(STAGE) e2e 1800 $(MAKE) -s e2e
	@$(STAGE) --summary

.PHONY: programs
programs: $(VENV)/.complete # What judges rules and configurations in unit tests; out of the cache after the first time
	@$(PY) -m tests.cluster programs promtool amtool prometheus alertmanager

.PHONY: unit
unit: $(VENV)/.complete programs ## Unit tests, in two halves side by side (a minute on two idle cores)
	@mkdir -p out
	@$(PY) -m pytest -q -m "not slow" $(HALF) > out/unit-half.log 2>&1 & half=$$!; \
	$(PY) -m pytest -q -m "not slow" tests $(addprefix --ignore=,$(HALF) tests/apiserver tests/e2e tests/replay); first=$$?; \
	wait $$half; second=$$?; cat out/unit-half.log; exit $$((first || second))

.PHONY: replay
replay: $(VENV)/.complete ## Every recorded file through the engine, on both stores; the engine killed (minutes)
	$(PY) -m pytest -v -m slow tests/replay tests/engine tests/operator tests/dashboards

.PHONY: apiserver
apiserver: $(VENV)/.complete ## CRDs and reconcile against a real kube-apiserver and etcd
	$(PY) -m tests.cluster apiserver-binaries
	$(PY) -m pytest -q -s tests/apiserver

.PHONY: e2e
e2e: $(VENV)/.complete ## The whole on a real kind cluster
	$(PY) -m pytest -v -s --durations=15 tests/e2e

.PHONY: lint
lint: $(VENV)/.complete ## Format, lint, types, import layers
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/mypy engine operator dashboards tools tests/cluster
	$(VENV)/bin/lint-imports

.PHONY: format
format: $(VENV)/.complete ## Format and mend what can be mended
	$(VENV)/bin/ruff check --fix-only -q $(SOURCES)
	$(VENV)/bin/ruff format $(SOURCES)

.PHONY: generate
generate: $(VENV)/.complete ## Write every generated file
	$(PY) -m tools.generate

.PHONY: verify
verify: $(VENV)/.complete ## Check that every generated file is up to date
	$(PY) -m tools.generate --check

.PHONY: board-types
board-types: $(VENV)/.complete ## Hold the boards against Grafana's published schema (needs npm)
	$(PY) -m tools.board_types

.PHONY: bench
bench: $(VENV)/.complete ## Throughput and latency, as ratios within one run
	$(PY) -m tools.bench

.PHONY: images
images: $(VENV)/.complete ## Build our images (REGISTRY=host/path also pushes them)
	$(PY) -m tools.images build $(if $(REGISTRY),--push $(REGISTRY))

.PHONY: cluster-up
cluster-up: $(VENV)/.complete ## Create the kind cluster (CLUSTER_CONTEXT=name uses yours instead)
	$(PY) -m tests.cluster up

.PHONY: cluster-down
cluster-down: $(VENV)/.complete ## Delete the kind cluster
	$(PY) -m tests.cluster down

.PHONY: clean
clean: ## Remove what was built here (the shared cache stays: `python3 -m tests.cluster prune`)
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: lock
lock: $(VENV)/.complete ## Resolve requirements.lock anew
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --generate-hashes --no-header --python-version 3.11 -o requirements.lock
