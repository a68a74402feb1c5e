# `make run` and `make test` are all one needs; the others serve work on the code.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export PATH := $(HOME)/.cargo/bin:$(PATH)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tiebreak-target

.PHONY: run test build program deb screenshots fmt lint bench clean help

run: $(if $(DISPLAY)$(WAYLAND_DISPLAY),build,program) ## open the window on the demo; without a display, run the demo on the command line
	@scripts/run.sh

test: ## everything that CI checks: format, lints, all tests
	@scripts/packages.sh test
	@scripts/test.sh

build: ## build the page, the program and the window
	@scripts/packages.sh
	@scripts/stage.sh "Build" "about 16 minutes the first time, then seconds" scripts/build.sh

program: ## build the page and the program without the window, which needs no WebKitGTK
	@scripts/packages.sh headless
	@scripts/stage.sh "Build without the window" "about 9 minutes the first time, then seconds" scripts/build.sh headless

deb: ## make a Debian package
	@scripts/packages.sh
	@scripts/stage.sh "Debian package" "about 20 minutes the first time" scripts/deb.sh

screenshots: build ## pictures of every screen, into tests/page/screenshots
	@scripts/packages.sh test
	@cd tests/page && npm ci --no-audit --no-fund --silent && npm run --silent screenshots

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
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
