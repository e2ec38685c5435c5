# A thin front for meson: `make` builds, `make test` runs everything. See `make help`.

BUILD  ?= build
PREFIX ?= /usr/local
NINJA  := ninja

.PHONY: all test unit slow check format lint layers asan ubsan tsan fuzz fuzz-hours bench bench-kern install uninstall clean help

all: $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD)
	@mkdir -p $(BUILD)/bin
	@ln -sf ../src/keeper/rbee-keeper ../src/hive/rbee-hive ../src/worker/llm-worker-rbee $(BUILD)/bin/

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix="$(PREFIX)"

test: ## set up, build and run every test (the same as ./test_all.sh)
	@./test_all.sh

unit: all ## the unit tests only
	@tests/run.sh unit $(BUILD)

slow: all ## tests that wait for minutes as the programs do, and that CI leaves out
	@cd tests/e2e && RBEE_SLOW=1 RBEE_TEST_LONG=1 RBEE_BUILD="$(abspath $(BUILD))" node --test keeper.test.js doors.test.js

check: all ## format, lint, layers
	@tests/run.sh check $(BUILD)

format: ## rewrite the sources as .clang-format says
	@tools/check-format.sh --fix

lint: all
	@tools/check-lint.sh $(BUILD)

layers: all
	@tools/check-layers.sh $(BUILD)

asan: ## unit and end-to-end tests under the address and undefined-behaviour sanitizers
	@tests/run.sh asan

ubsan: asan

tsan: ## the same under the thread sanitizer
	@tests/run.sh tsan

fuzz: ## every fuzz target, for FUZZ_SECONDS each or FUZZ_TOTAL_SECONDS (40) in all
	@tests/run.sh fuzz

fuzz-hours: ## each target until it has had an hour of CPU; fuzz/hours.txt keeps count
	@[ -f build-fuzz/build.ninja ] || CC=clang-14 meson setup build-fuzz -Dfuzzers=true \
	  -Db_sanitize=address,undefined -Db_lundef=false -Dtests=false >/dev/null
	@$(NINJA) -C build-fuzz fuzzers
	@fuzz/hours.py build-fuzz build-fuzz/found

# Rows and pairs: make bench ROWS=prefill,decode-tl-Q4_0 PAIRS=5
bench: all ## models and programs beside their peers; see docs/performance.md
	@$(NINJA) -C $(BUILD) bench/bench_probe bench/bench_load >/dev/null
	@BUILD=$(BUILD) ROWS=$(ROWS) PAIRS=$(PAIRS) OUT=$(OUT) node bench/run.js

bench-kern: all ## the kernels alone, one by one
	@$(NINJA) -C $(BUILD) bench/bench_kern bench/bench_attend >/dev/null
	@$(BUILD)/bench/bench_kern
	@$(BUILD)/bench/bench_attend

# The prefix of the first setup stays, but for one that is given here.
install: all
ifneq ($(origin PREFIX),file)
	@meson configure $(BUILD) --prefix="$(PREFIX)"
endif
	@meson install -C $(BUILD)

uninstall: ## remove what `make install` of this build folder put
	@$(NINJA) -C $(BUILD) uninstall

clean:
	@rm -rf $(BUILD) build-asan build-tsan build-fuzz

help:
	@echo "make            builds into $(BUILD)/, programs in $(BUILD)/bin/"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 16
	@echo "make install    into /usr/local, or PREFIX=DIR (DESTDIR is honoured)"
