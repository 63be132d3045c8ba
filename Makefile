# The front door: every task of octet by one word. The work is done by CMake and tools/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
CMAKE_FLAGS ?=
FUZZ_SECONDS ?= 60

# ThreadSanitizer of g++ 12 cannot place its shadow under some kernels' address randomisation.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)
CTEST = ctest --output-on-failure --no-tests=error -j $(JOBS)
# The sanitizers' builds leave out the 135M-parameter model: the small ones take the same paths.
CTEST_SANITIZED = OCTET_SMOLLM2=/nonexistent $(CTEST)

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build model ## set up, build, fetch SmolLM2, convert it to int8 and generate text
	@tools/demo

.PHONY: test
test: build try-model ## set up, build and run every test
	$(CTEST) --test-dir build/release

.PHONY: setup setup-ci
setup: ## install the Debian packages octet is built from
	@tools/setup
setup-ci: ## … and those of the format, tidy and fuzz checks
	@tools/setup --ci

.PHONY: build
build: setup ## build build/release/octet and the tests
	cmake --preset release $(CMAKE_FLAGS)
	cmake --build --preset release -j $(JOBS)

.PHONY: model try-model
model: setup ## fetch SmolLM2-135M-Instruct into .cache/models
	@tools/get-smollm2
try-model: setup
	@tools/get-smollm2 || echo "make: no SmolLM2; the tests that need it will skip"

.PHONY: sanitize
sanitize: setup ## build with address and undefined-behaviour sanitizers and run the tests
	cmake --preset debug $(CMAKE_FLAGS)
	cmake --build --preset debug -j $(JOBS)
	$(CTEST_SANITIZED) --test-dir build/debug

.PHONY: tsan
tsan: setup ## build with the thread sanitizer and run the tests that use threads
	cmake --preset tsan $(CMAKE_FLAGS)
	$(FIXED_ADDRESSES) cmake --build --preset tsan -j $(JOBS) --target threaded_tests
	$(FIXED_ADDRESSES) env $(CTEST_SANITIZED) --test-dir build/tsan -L threads

.PHONY: format check-format
format: setup-ci ## format every C++ file
	tools/sources | xargs clang-format -i
check-format: setup-ci ## fail when a C++ file is not formatted
	tools/sources | xargs clang-format --dry-run --Werror

.PHONY: tidy
tidy: setup-ci ## run clang-tidy over src and fail on any warning
	cmake --preset release $(CMAKE_FLAGS)
	tools/tidy $(JOBS)

.PHONY: test-transformers
test-transformers: build ## let Hugging Face transformers load what octet writes (installs PyTorch)
	tools/test-transformers build/release/octet

.PHONY: test-clients test-page
test-clients: build model ## let OpenAI's client, lm-evaluation-harness and schemathesis speak to the server
	tools/test-clients build/release/octet .cache/models/SmolLM2-135M-Instruct.Q4_1.gguf
test-page: build model ## drive the server's page in Chromium and leave pictures in build/page
	tools/test-page build/release/octet .cache/models/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: abuse
abuse: build model ## bad requests, slow clients and stops under load at the server, also under sanitizers
	cmake --preset debug $(CMAKE_FLAGS)
	cmake --build --preset debug -j $(JOBS) --target octet
	cmake --preset tsan $(CMAKE_FLAGS)
	$(FIXED_ADDRESSES) cmake --build --preset tsan -j $(JOBS) --target octet
	tests/abuse/abuse_server.py fuzz stop leave --octet build/debug/octet
	$(FIXED_ADDRESSES) tests/abuse/abuse_server.py stop --octet build/tsan/octet
	tests/abuse/abuse_server.py slow steady --octet build/release/octet
	tests/abuse/abuse_server.py long --octet build/release/octet \
	  --model .cache/models/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: fuzz
fuzz: setup-ci ## run every fuzz target for FUZZ_SECONDS (60)
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS) --target fuzz_targets
	tools/fuzz $(FUZZ_SECONDS)

.PHONY: clean
clean: ## remove what was built (the fetched model stays in .cache)
	rm -rf build
