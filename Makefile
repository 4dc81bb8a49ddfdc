# Every target does its own set-up: on a fresh Debian machine with Go, "make
# test" and "make demo" are all there is to know.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo test lint fmt vet staticcheck modules policy unit e2e bench generate check-generated clean

# All but the race detector is built alike: static, and without the paths of
# this machine. So lint, build and the command-line scripts share one cache, and
# big dependencies are compiled twice (plain and for the race detector), not
# four times.
STATIC := CGO_ENABLED=0 GOFLAGS="$$(go env GOFLAGS) -trimpath"

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the static program bin/sealift, and bin/sealift-pkcs11 for keys in tokens.
	@scripts/setup.sh build
	@scripts/build.sh bin/sealift

demo: build ## Publish, install and attack: the whole story in one command.
	@bin/sealift demo

test: ## Run all checks and unit tests, as CI does.
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit

lint: fmt vet staticcheck modules policy check-generated ## Run all checks that need no test run.

fmt:
	@echo "== gofmt"
	@wrong=$$(gofmt -l .); \
	if [ -n "$$wrong" ]; then echo "not formatted; run gofmt -w on:"; echo "$$wrong"; exit 1; fi

vet:
	@echo "== go vet"
	@$(STATIC) go vet ./...
	@CGO_ENABLED=1 go vet ./cmd/sealift-pkcs11

staticcheck:
	@echo "== staticcheck"
	@$(STATIC) go tool staticcheck ./...
	@CGO_ENABLED=1 $$($(STATIC) go tool -n staticcheck) ./cmd/sealift-pkcs11

modules:
	@echo "== modules: go.mod is tidy, and what was fetched is what go.sum names"
	@go mod tidy -diff
	@go mod verify

policy:
	@echo "== import policy, package docs and house rules"
	@$(STATIC) go test -count=1 ./internal/arch

unit: ## Run the unit tests with the race detector and print coverage.
	@echo "== unit tests with the race detector"
	@scripts/unit.sh

e2e: ## Publish real npm bundles and compare what a device installed (needs the network).
	@scripts/e2e.sh

bench: ## Run the benchmarks.
	@scripts/bench.sh

generate: ## Generate code from its inputs again.
	@go generate ./...

check-generated: ## Check that generated code fits its inputs.
	@echo "== generated code"
	@$(STATIC) scripts/generated.sh

clean: ## Remove what was built and fetched here.
	@rm -rf bin .cache
