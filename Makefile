# Every entry point of the repository. Each target says what it does while it does it.
#
#   make test        every test, what CI runs; what this machine cannot run is skipped by name with its reason
#   make unit        only what needs neither root nor the mesh tools
#   make mesh        only the tests on a real mesh (root, make tools)
#   make referee     the embedded HTTP and traffic tests with a stock Envoy in our place (make tools)
#   make parity      random RBAC policies (100000 requests; PAIRS=…), random route tables (2000; TABLES=…), hostile octets of HTTP/1
#                    (50000 connections; HOSTILE=…), all TLS peers and all ways to spread requests against the real Envoy (make tools)
#   make tools       installs or builds the mesh tools into a cache outside the checkout
#   make lab         the mesh of the tests, up until Ctrl-C, for looking around (root, make tools)
#   make recordings  asks a real istiod again for what integration/recordings/ holds (root, make tools)
#   make numbers     time to ready and memory of each proxy in a real mesh (root, make tools)
#   make demo        two applications, two Outriggers and an embedded control plane, nothing else needed
#   make bench       Outrigger, Envoy, HAProxy and nginx side by side
#   make instructions  what a request costs in instructions and calls for memory, stage by stage (valgrind)
#   make descriptors compiles the .proto files of envoy-types and of config/proto/ again; the result is committed
#   make fuzz-short  the properties of what strangers send and of filters over many mutations, and libFuzzer for a short while
#   make tls-scan    testssl.sh and sslyze against an ingress listener, each skipped by name where it is missing
#   make clean-lab   removes network namespaces that a killed run left behind

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
FUZZ_SECONDS ?= 30
PAIRS ?= 100000
TABLES ?= 2000
HOSTILE ?= 50000

.PHONY: test unit mesh referee parity tools lab recordings demo numbers bench instructions fuzz-short tls-scan clean-lab descriptors fmt lint build

test: tools fmt lint build
	@echo "== every test (mesh tests print the reason when they are skipped)"
	$(CARGO) test --workspace --no-fail-fast

unit: build
	@echo "== tests that need neither root nor the mesh tools"
	$(CARGO) test --workspace --no-fail-fast --lib --bins

mesh: tools build
	@echo "== tests on a real mesh"
	$(CARGO) test --package outrigger-integration --no-fail-fast --test 'mesh_*'

# What those tests claim of a proxy must be true of the one that we replace.
referee: tools
	@echo "== the embedded tests with a stock Envoy"
	envoy="$$(integration/tools.sh --paths | sed -n 's/^envoy=//p')"; \
	[ -n "$$envoy" ] || { echo "skipped: no stock Envoy on this machine"; exit 0; }; \
	OUTRIGGER_BIN="$$envoy" OUTRIGGER_EMBEDDED_STOCK=1 \
	  $(CARGO) test --package outrigger-integration --test embedded_http --test embedded_traffic

parity: tools build
	@echo "== random RBAC policies against the real Envoy"
	OUTRIGGER_RBAC_PAIRS=$(PAIRS) $(CARGO) test --workspace --test rbac_parity -- --nocapture
	@echo "== random route tables"
	OUTRIGGER_ROUTES_TABLES=$(TABLES) $(CARGO) test --workspace --test routes_parity -- --nocapture
	@echo "== hostile octets of HTTP/1"
	OUTRIGGER_HOSTILE_CASES=$(HOSTILE) $(CARGO) test --workspace --test hostile_parity -- --nocapture
	@echo "== every TLS peer of the table to the real Envoy, and every way to spread requests"
	OUTRIGGER_WHOLE=1 $(CARGO) test --workspace --test tls_parity --test balance_parity

# Without root or Go this names what is missing and goes on: the tests that need it are skipped, and in CI they fail.
tools:
	@echo "== tools of the mesh lab and the benchmarks"
	@integration/tools.sh || [ "$$?" = 3 ]

fmt:
	@echo "== formatting"
	$(CARGO) fmt --all --check

lint:
	@echo "== clippy"
	$(CARGO) clippy --workspace --all-targets -- -D warnings

build:
	@echo "== programs that the tests start"
	$(CARGO) build --workspace --bins

recordings: tools build
	@echo "== recording what a real istiod sends"
	$(CARGO) run --quiet --package outrigger-integration --bin outrigger-record

lab: tools build
	@echo "== a real mesh, up until Ctrl-C (LAB='outrigger envoy' chooses who calls and who answers)"
	$(CARGO) run --quiet --package outrigger-integration --bin outrigger-lab -- $(LAB)

numbers: tools
	@echo "== time to ready and memory under a real agent"
	$(CARGO) build --release --package outrigger --package outrigger-benches
	OUTRIGGER_BIN=target/release/outrigger $(CARGO) run --quiet --package outrigger-integration --bin outrigger-mesh-numbers

demo:
	$(CARGO) demo

# No build runs this; a test says when it has to be run.
descriptors:
	@echo "== descriptors of Envoy's and Istio's messages, in config/src/descriptors/"
	UPDATE_DESCRIPTORS=1 $(CARGO) test --package outrigger-config --test descriptors

bench: tools
	@echo "== side by side with Envoy, HAProxy and nginx; results go to benches/RESULTS.md"
	$(CARGO) build --release --package outrigger --package outrigger-benches
	target/release/load --envoy "$$(integration/tools.sh --paths | sed -n 's/^envoy=//p')" --write benches/RESULTS.md $(BENCH_ARGUMENTS)

# Of the release; the tests hold the dev build to benches/instructions.json (INSTRUCTIONS="--dev --write" writes that anew).
instructions: build
	@echo "== instructions a request, of the release"
	$(CARGO) build --release --package outrigger
	target/debug/instructions $(INSTRUCTIONS)

# libFuzzer where cargo-fuzz and a nightly compiler are installed (what it finds new goes to a temporary folder), and anywhere the
# same properties over fixed mutations.
fuzz-short:
	@echo "== the properties of what strangers send and of filters over many mutations"
	MUTATIONS=200000 $(CARGO) test --package outrigger --lib fuzz
	@if ! $(CARGO) +nightly fuzz --version >/dev/null 2>&1; then \
	  echo "== libFuzzer is left out: no cargo-fuzz or no nightly compiler (see proxy/fuzz/README.md)"; exit 0; \
	fi; \
	cd proxy; \
	for target in $$($(CARGO) +nightly fuzz list); do \
	  echo "== libFuzzer, $$target, for $(FUZZ_SECONDS) s"; \
	  $(CARGO) +nightly fuzz run --sanitizer none "$$target" "$$(mktemp -d)" "fuzz/corpus/$$target" -- \
	    -max_len=4096 -max_total_time=$(FUZZ_SECONDS); \
	done

tls-scan: build
	@echo "== what scanners of TLS find"
	integration/tls-scan.sh

clean-lab: build
	$(CARGO) run --quiet --package outrigger-integration --bin outrigger-lab-app -- sweep
