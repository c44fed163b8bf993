# kith: what a developer types. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := $(CURDIR)/build
BIN := $(BUILD)/tools
TOOLS := $(BIN)/.installed
LDFLAGS := -s -w -X kith/app/cli.version=$(VERSION)

DATA ?= ./kith-data
LISTEN ?= 127.0.0.1:8480
FUZZTIME ?= 20s
BENCH ?= .
BENCHTIME ?= 1s
KITH_CRASH_ROUNDS ?= 200
BROWSER ?= yes

# Files that tools write and people commit.
GENERATED := '*_templ.go' 'assets/dist' 'ui/component/*_gen.go'

.PHONY: help run build test check fresh generate e2e bench fuzz crash tools fmt lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build kith and start it with the simulator; open the claim link it prints
	@exec $(BUILD)/kith serve --simulator --data $(DATA) --listen $(LISTEN) --tls off

build: ## build ./build/kith
	@mkdir -p $(BUILD)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/kith .

test: ## run every test; installs Chromium for the browser test (BROWSER=no leaves that one out)
	@chromium=$$(BROWSER=$(BROWSER) packaging/chromium.sh) && \
	KITH_CHROMIUM="$$chromium" go test -shuffle=on -timeout 15m ./...

e2e: ## run the browser tests only
	@chromium=$$(packaging/chromium.sh) && \
	KITH_CHROMIUM="$$chromium" go test -count=1 -v -run '^TestBrowser' ./...

check: fresh lint ## what must pass before a commit: generated files, format, lint, vet, the tree
	go vet ./...
	go vet -tags crash ./...
	go test -count=1 -run '^TestTree' .
	@echo "check: all of it holds"

fresh: generate ## prove that the generated files in the tree are current
	@stale=$$(git status --porcelain -- $(GENERATED)); \
	if [ -n "$$stale" ]; then \
		echo "These generated files differ from what is committed; look at them and commit them:"; \
		echo "$$stale"; exit 1; \
	fi

generate: ## write the templ code, the asset bundles and the icons anew
	go tool templ fmt -fail ui
	go tool templ generate -include-version=false -path ui
	cd packaging/tools && go run ./assets ../../assets
	@if [ -f packaging/tools/icons/main.go ]; then cd packaging/tools && go run ./icons ../../ui/component; fi

lint: $(TOOLS) ## format and lint, without changing a file
	@ugly=$$($(BIN)/gofumpt -l .) || exit 1; \
	ugly=$$(echo "$$ugly" | grep -v '_templ\.go$$'); \
	if [ -n "$$ugly" ]; then echo "Not formatted (make fmt does it):"; echo "$$ugly"; exit 1; fi
	$(BIN)/golangci-lint run --build-tags crash ./...

fmt: $(TOOLS) ## format templ and Go
	go tool templ fmt ui
	$(BIN)/golangci-lint fmt ./...
	$(BIN)/gofumpt -w packaging/tools

bench: ## run the benchmarks (BENCH=pattern BENCHTIME=1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 60m ./...

fuzz: ## fuzz each target for FUZZTIME=20s
	@git grep -o --untracked -E '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | while IFS=: read -r file found; do \
		target=$${found#func }; \
		echo "fuzz $$target in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
	done

crash: ## kill kith -9 at random moments under load, KITH_CRASH_ROUNDS=200 times
	KITH_CRASH_ROUNDS=$(KITH_CRASH_ROUNDS) go test -tags crash -count=1 -v -run Crash -timeout 120m ./...

tools: $(TOOLS) ## build the pinned developer tools into ./build/tools

$(TOOLS): packaging/tools/go.mod packaging/tools/go.sum
	@echo "building the developer tools once; this takes some minutes"
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install -C packaging/tools tool
	@touch $@

clean: ## remove what make built; your data stays
	rm -rf $(BUILD)
