# Two commands do everything a newcomer needs: `make demo` and `make test`. Both make and use .venv; nothing is installed outside
# this folder. All that is needed is Python 3.11 or newer, pip and make.

PYTHON ?= python3
SCENARIO ?=
PYTEST ?=
RUNS ?= 200
SEED ?=
ONLY ?=
TOOLS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv is taken from PATH, else fetched into .tools: pip's --target works where the system's Python refuses other installs.
# Where the machine has its own certificate store, that one is trusted: companies put their own authorities there.
export UV_SYSTEM_CERTS := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),1,0)
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)

ASSETS_VERSION := 1.36.2
ASSETS_HOME := $(or $(APIDOWN_ASSETS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/apidown/assets-$(ASSETS_VERSION))

# Debian's, unpacked and not installed; the version is that of Debian 12.
PROMETHEUS_HOME := $(or $(APIDOWN_PROMETHEUS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/apidown/prometheus-2.42)

HELM_VERSION := 4.3.1
HELM_HOME := $(or $(APIDOWN_HELM),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/apidown/helm-$(HELM_VERSION))

# What the comparison runs beside apidown; the version is that of this set of tools.
COMPARE_VERSION := 1
COMPARE_HOME := $(or $(APIDOWN_COMPARE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/apidown/compare-$(COMPARE_VERSION))
COMPARE_PINS := tests/lab/compare/pins

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check fix lock docs schema lab-assets lab-prometheus helm-lint figures transcripts scoreboard compare compare-tools recognition reliability image clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## ?/  \1\t/' | expand -t 16

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "apidown needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Next: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@command -v $(UV) >/dev/null 2>&1 || { echo "Fetching uv into .tools …"; \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools/uv uv; }
	@test -x $(BIN)/python || $(UV) venv --quiet --no-python-downloads --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@echo "Installing the locked dependencies into $(VENV) …"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## the virtual environment

demo: $(READY)  ## rehearse an outage in the terminal (SCENARIO=certificate-expired, …)
	@$(BIN)/apidown demo $(SCENARIO)

test: $(READY)  ## all tests; those that need root or a real control plane skip with their reason
	$(BIN)/pytest --cov --cov-report= $(PYTEST)
	@echo "Coverage: $$($(BIN)/coverage report --format=total) %; by file: make coverage"

coverage: $(READY)  ## what the last `make test` did not reach, by file
	@$(BIN)/coverage report

check: $(READY)  ## lint, format, types, import contracts, playbooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --error-on-warning
	$(BIN)/lint-imports
	$(BIN)/apidown playbooks check

fix: $(READY)  ## format, and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## write the hashed requirement locks anew
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	  --upgrade pyproject.toml --output-file requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	  --constraint requirements.lock --group dev pyproject.toml --output-file requirements-dev.lock

docs: $(READY)  ## write the documents' generated tables and the schemas anew
	$(BIN)/python -m tests.write_docs

schema: docs  ## the same

lab-assets: $(ASSETS_HOME)/kube-apiserver $(ASSETS_HOME)/etcd lab-prometheus  ## build kube-apiserver and etcd for the control-plane tests (needs Go)

# Go's version stamping, as the release builds do it: without it the server reports no version.
LDFLAGS = -s -w $(foreach P,k8s.io/component-base/version k8s.io/client-go/pkg/version,-X $(P).gitVersion=v$(ASSETS_VERSION) \
  -X $(P).gitMajor=1 -X $(P).gitMinor=36 -X $(P).gitTreeState=clean)

$(ASSETS_HOME)/kube-apiserver: tests/lab/assets/go.mod
	@echo "Building kube-apiserver v$(ASSETS_VERSION); this takes some minutes the first time …"
	mkdir -p $(ASSETS_HOME)
	cd tests/lab/assets && CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $@ k8s.io/kubernetes/cmd/kube-apiserver
	touch $@

$(ASSETS_HOME)/etcd: tests/lab/assets/go.mod
	mkdir -p $(ASSETS_HOME)
	cd tests/lab/assets && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $@ go.etcd.io/etcd/server/v3
	touch $@

lab-prometheus:  ## get Prometheus and the node exporter for the fault lab (needs apt; neither root nor an installation)
	@tests/lab/assets/prometheus $(PROMETHEUS_HOME)

helm-lint: $(HELM_HOME)/helm  ## build Helm for the chart's tests (needs Go), and lint the chart
	$(HELM_HOME)/helm lint --strict --quiet --set slack.existingSecret=slack,valkey.existingSecret=valkey helm/apidown

$(HELM_HOME)/helm: tests/helm/tool/go.mod
	@echo "Building Helm v$(HELM_VERSION); this takes some minutes the first time …"
	mkdir -p $(HELM_HOME)
	cd tests/helm/tool && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $@ helm.sh/helm/v4/cmd/helm
	touch $@

scoreboard: $(READY) lab-assets  ## put in every fault, judge every verdict, and write docs/scoreboard.md (SEED=7 ONLY=etcd_killed)
	$(BIN)/python -m tests.lab.scoreboard --slack --write $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

compare: $(READY) compare-tools lab-assets  ## run what people use today against the lab's faults, and write docs/comparison.md (SEED=7 ONLY=etcd_killed TOOLS=curl)
	$(BIN)/python -m tests.lab.compare $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(TOOLS),--tools $(TOOLS))

compare-tools: $(COMPARE_HOME)/kubectl $(COMPARE_HOME)/blackbox_exporter $(COMPARE_HOME)/k8sgpt  ## build the tools of the comparison (needs Go)

$(COMPARE_HOME)/kubectl: $(COMPARE_PINS)/kubectl/go.mod
	@echo "Building kubectl v$(ASSETS_VERSION) …"
	mkdir -p $(COMPARE_HOME)
	cd $(<D) && CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $@ k8s.io/kubernetes/cmd/kubectl
	touch $@

$(COMPARE_HOME)/blackbox_exporter: $(COMPARE_PINS)/blackbox/go.mod
	@echo "Building the Prometheus blackbox exporter …"
	mkdir -p $(COMPARE_HOME)
	cd $(<D) && CGO_ENABLED=0 go build -trimpath -o $@ -ldflags "-s -w -X github.com/prometheus/common/version.Version=$(call pinned,blackbox_exporter)" \
	  github.com/prometheus/blackbox_exporter
	touch $@

$(COMPARE_HOME)/k8sgpt: $(COMPARE_PINS)/k8sgpt/go.mod
	@echo "Building k8sgpt; this takes some minutes the first time …"
	mkdir -p $(COMPARE_HOME)
	cd $(<D) && CGO_ENABLED=0 go build -trimpath -o $@ -ldflags "-s -w -X main.version=$(call pinned,k8sgpt)" github.com/k8sgpt-ai/k8sgpt
	touch $@

# The version of a tool in its own go.mod.
pinned = $(shell sed -n 's,^require .*/$(1) v,,p' $<)

figures: $(READY)  ## measure start time, memory, requests and events, and write docs/figures.md
	$(BIN)/python -m tests.measure

transcripts: $(READY)  ## rehearse one fault for each playbook, and write its thread into docs/transcripts
	$(BIN)/python -m tests.transcripts

recognition: $(READY)  ## how well pasted texts are recognised, over the texts in APIDOWN_CORPUS
	@$(BIN)/python -m tests.recognition

reliability: $(READY)  ## kill replicas at every point while Slack fails, and write docs/reliability.md (RUNS=200 SEED=7 ONLY=13)
	$(BIN)/python -m tests.reliability --runs $(RUNS) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

# The version has one source; the chart and the documents are held to it by a test.
image:  ## the container image (IMAGE=registry.example.com/team/apidown)
	docker build -t $(or $(IMAGE),apidown):$(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml) .

clean:  ## remove what make made in this folder
	rm -rf $(VENV) .tools build dist .pytest_cache .ruff_cache .import_linter_cache .coverage
