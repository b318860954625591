# Aurea. `make help` lists what there is.
export CGO_ENABLED := 0
GO    ?= go
TOOL  := $(GO) tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/andres20980/aurea-orchestrator/internal/cli.Version=$(VERSION)
FUZZTIME ?= 10s
STRICT ?= 0
PARTS ?=

.DEFAULT_GOAL := help
.PHONY: help build man run test redact-report model cross soak cover bench fuzz security fmt imports fmt-check vet lint compat prices hooks precommit clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/aurea, one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/aurea ./cmd/aurea

man: build ## write the manual page, man/aurea.1
	@mkdir -p man
	bin/aurea man > man/aurea.1

run: build ## rehearse examples/rehearsal.jsonl against a simulated provider: no key, no network, no cost
	@mkdir -p rehearsal
	bin/aurea run examples/rehearsal.jsonl --simulate --new --job rehearsal --max-cost 5 \
	  --database sqlite:rehearsal/aurea.db --output rehearsal/results.jsonl --errors rehearsal/errors.jsonl
	@echo; echo 'The first results:'; head -n 3 rehearsal/results.jsonl | cut -c 1-160

test: fmt-check vet ## everything: formatting, vet, all tests with the race detector, cross-builds
	scripts/need-postgres
	race=$$(scripts/race-flags) && CGO_ENABLED=$$([ -n "$$race" ] && echo 1 || echo 0) $(GO) test $$race -shuffle=on -timeout 15m ./...
	$(MAKE) --no-print-directory cross

soak: ## the longer forms of the tests that kill and storm processes (many minutes)
	AUREA_SOAK=1 $(GO) test -count=1 -timeout 60m -v ./e2e/ ./budget/ ./store/...

model: ## search the model of the money protocol exhaustively (installs spin and gcc if root); FULL=1 for minutes more
	scripts/model $(if $(FULL),full) || [ $$? = 75 ]

cross: ## build for macOS and Windows as well (built, not run there)
	GOOS=darwin  GOARCH=arm64 $(GO) build -o /dev/null ./cmd/aurea
	GOOS=darwin  GOARCH=amd64 $(GO) build -o /dev/null ./cmd/aurea
	GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/aurea

cover: ## coverage of all packages by all tests, as coverage/index.html
	@mkdir -p coverage
	$(GO) test -coverpkg=./... -coverprofile=coverage/profile.out ./...
	$(GO) tool cover -html=coverage/profile.out -o coverage/index.html
	$(GO) tool cover -func=coverage/profile.out | tail -n 1

compat: build ## run the official SDKs against the gateway (installs them into compat/.cache); WRITE=1 writes docs/clients.md, ONLY=openai-python for one
	cd compat && $(GO) test . && $(GO) run . -aurea ../bin/aurea $(if $(WRITE),-write) $(if $(filter 1,$(STRICT)),-strict) $(if $(ONLY),-only $(ONLY))

redact-report: ## recall and precision of the redactor on its three corpora; see docs/redaction.md
	REDACT_REPORT=1 $(GO) test -count=1 -run '^TestReport$$' -v ./redact

bench: ## benchmarks, the batch run from end to end among them; see docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem ./...
	cd bench && $(GO) test -bench . -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

security: ## gosec, semgrep with our rules, a secret scan, govulncheck; STRICT=1 fails for what cannot be checked; PARTS=gosec for one
	@GO='$(GO)' STRICT='$(STRICT)' scripts/security $(PARTS)

fmt: ## format all Go files with gofumpt
	$(TOOL) gofumpt -w .

imports: ## sort imports into their groups
	$(TOOL) golangci-lint fmt

fmt-check: ## fail if a Go file is not formatted
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }

vet: ## go vet
	$(GO) vet ./...
	cd bench && $(GO) vet ./...

lint: ## golangci-lint, pinned in tools/go.mod (built from source at first, which takes minutes)
	$(TOOL) golangci-lint run

prices: ## generate pricing/prices.json from the pinned npm package (needs node)
	$(GO) run ./pricing/internal/gen

hooks: ## check every commit by git hooks: pre-commit, pinned in tools/pre-commit
	scripts/python-tool pre-commit install

precommit: fmt imports lint test security ## what CI runs, but for the fuzzing, and the linters

clean: ## remove what was built
	rm -rf bin man coverage rehearsal compat/.cache
