# `make run` and `make test` are all one needs; the others serve work on the code.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export PATH := $(HOME)/.cargo/bin:$(PATH)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tiebreak-target

.PHONY: run test build fmt lint bench clean help

run: build ## build, fetch the demo model and run the main job
	@scripts/run.sh

test: ## everything that CI checks: format, lints, all tests
	@scripts/packages.sh
	@scripts/test.sh

build: ## build the program
	@scripts/packages.sh
	@scripts/stage.sh "Build" "about 7 minutes the first time, then seconds" scripts/build.sh

fmt: ## format the code
	@cargo fmt --all

lint: ## formatting and lints, as `make test` runs them
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

bench: ## measure the kernels and a training step (in the profile that is tested)
	@cargo bench --locked --workspace --benches --profile dev

clean: ## remove what was built (the fetched model stays)
	@cargo clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
