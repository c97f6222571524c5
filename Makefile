# Every target works in all modules of go.work; nothing here lists them. What
# takes more than a line stands in .ci/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export GOWORK := off
# As in .ci/lib.sh: what is compiled does not depend on the folder, so that all clones
# share it in the build cache.
GOFLAGS := $(shell go env GOFLAGS 2>/dev/null)
export GOFLAGS := $(strip $(GOFLAGS) $(if $(findstring -trimpath,$(GOFLAGS)),,-trimpath))

DEMO        = cd examples && go run ./demo
CONFORMANCE = .ci/conformance
MUTANTS     = cd conformance/crosstest && go run ./mutants

FUZZTIME ?= 10s
BENCH    ?= .
COUNT    ?= 1

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Run the demo application
	@$(DEMO)

.PHONY: demo-redis
demo-redis: ## The same, two nodes each over one Redis
	@. .ci/lib.sh && need_redis && $(DEMO) -redis start -nodes 2

.PHONY: hsm
hsm: ## Sign with keys that never leave an HSM, SoftHSM, and check that they do not
	@. .ci/lib.sh && need_cc && need_softhsm && cd examples/hsm && go run .

.PHONY: test
test: ## Test every module, with the race detector (needs a C compiler)
	@.ci/test

.PHONY: conformance
conformance: ## Run the conformance suite on every adapter and print the matrix
	@$(CONFORMANCE)

.PHONY: browser
browser: ## Drive Chromium through what cookies, origins and frames mean; screenshots in .ci/tmp/browser
	@.ci/browser

.PHONY: mutants
mutants: ## Break each rule of core in turn; the suite must notice every time
	@$(MUTANTS)

.PHONY: soak
soak: ## Simulate clients and thieves, a million and more, and write docs/rotation-soak.md
	@cd conformance/crosstest && go run ./soak -o ../../docs/rotation-soak.md

.PHONY: explore
explore: ## Visit every interleaving of three tabs and a thief; show what breaks other schemes
	@cd conformance/crosstest && go run ./explore

.PHONY: lint
lint: ## gofmt, go vet and staticcheck in every module
	@.ci/lint

.PHONY: fmt
fmt: ## Format all Go files
	@gofmt -s -w .

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod or go.sum is not tidy
	@EXTRA=".ci .ci/tools" .ci/each go mod tidy -diff

.PHONY: directions
directions: ## Fail if an import runs against the direction of the map
	@cd .ci && go run ./directions ..

.PHONY: consumer
consumer: ## Build the README's program outside the repository, as a user would
	@.ci/consumer

.PHONY: bench
bench: ## Measure sessions, tokens, refresh tokens, CORS and CSRF, and write docs/benchmarks*.md
	@cd bench && go run ./cmd/table $(BENCHFLAGS)

.PHONY: microbench
microbench: ## Run the benchmarks of every module (BENCH=regexp COUNT=n)
	@.ci/each go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

.PHONY: fuzz
fuzz: ## Fuzz every Fuzz function for FUZZTIME, 10s by default
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

.PHONY: vuln
vuln: ## Look for known vulnerabilities, where their database can be reached
	@.ci/vuln

.PHONY: ci
ci: ## All checks, as CI runs them
	@.ci/run
