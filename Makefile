# duologue: `make run` to talk, `make test` to check everything. All of it lives in .venv, but for the weights that are
# fetched or converted: those are in the user's cache, which DUOLOGUE_CACHE changes.

PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 8000

VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check
# A file's tests stay together, because they share servers and models. Files come in the order of their names: by the
# number of their tests, those with one long test would come last, and one process would wait for the other.
PARALLEL := --dist loadfile --no-loadscope-reorder
SAY   := printf '\n» %s\n'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: lint types contracts test-packages test-rules test-session test-others
.PHONY: help run test types-public docs system bench soak format corpus dist clean

help:
	@echo 'make run     install what is needed, serve a conversation on http://$(HOST):$(PORT)'
	@echo 'make test    lint, format check, strict types, import contracts, and all tests'
	@echo 'make lint types contracts  only these checks; make test-rules, test-session or test-others only these tests'
	@echo 'make types-public  check with pyright that each public name has a declared type (a minute)'
	@echo 'make bench   the numbers: latency, turn-taking, barge-in, load (over an hour, on a quiet machine; results in bench-out)'
	@echo 'make soak    long and chaotic runs: faults, thousands of calls, overload, a monologue, fuzzing (over three hours; in bench-out)'
	@echo 'make docs    build the documentation site in build/site'
	@echo 'make format  format the code and sort its imports'
	@echo 'make corpus  build the frozen corpus of labelled speech that benchmarks stand on, and verify it'
	@echo 'make dist    build the wheels and the source distribution, and try them in an empty environment'
	@echo 'make clean   remove .venv and all that was built'
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter; HOST= and PORT= change where it serves.'

run: $(VENV)/.local
	@exec $(BIN)/duologue serve --host '$(HOST)' --port '$(PORT)'

# Bytecode is kept even where the environment says no: tests start hundreds of processes, and each would compile all
# of duologue again. Types take one core for a minute: what needs one core as well runs beside them.
test: export PYTHONDONTWRITEBYTECODE :=
test: system $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types lint contracts test-packages test-rules
	@$(MAKE) --no-print-directory test-session
	@$(MAKE) --no-print-directory test-others

lint: $(VENV)/.dev
	@$(SAY) 'lint';   $(BIN)/ruff check .
	@$(SAY) 'format'; $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(SAY) 'types'; $(BIN)/mypy

contracts: $(VENV)/.dev
	@$(SAY) 'import contracts'; $(BIN)/lint-imports

# Otherwise the tests that need them would install them, while the others wait.
test-packages: $(VENV)/.dev
	@$(SAY) 'packages that only some tests need'; $(BIN)/python tests/environment.py

test-rules: $(VENV)/.dev
	@$(SAY) 'tests of the rules: every branch of them'
	@$(BIN)/pytest tests/conversation --cov=duologue.conversation --cov-branch --cov-fail-under=100 --cov-report=term:skip-covered

test-session: $(VENV)/.dev
	@$(SAY) 'tests of the session and the engine: every branch of them'
	@$(BIN)/pytest tests/session tests/engine -n 2 $(PARALLEL) --cov=duologue.session --cov=duologue.engine --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

# Two processors, and one process more: many of these wait for a server, a browser or a clock.
test-others: $(VENV)/.dev
	@$(SAY) 'all other tests'
	@$(BIN)/pytest --ignore=tests/conversation --ignore=tests/session --ignore=tests/engine -n 3 $(PARALLEL)

# Apart from `test`: pyright needs node, and reads every library that public names mention.
types-public: $(VENV)/.dev
	@tools/types-public

docs: $(VENV)/.dev
	@$(BIN)/zensical build --strict --clean

# First of all, so that what is missing is the first line.
system:
	@tools/system-packages chromium=chromium nginx=nginx openssl=openssl prometheus=prometheus redis-server=redis-server

# One after another: side by side they would measure each other.
bench: $(VENV)/.dev
	@mkdir -p bench-out
	@for what in 'latency' 'latency --instant' 'chunk' 'chunk --flat-out' 'memory' 'sessions --sessions 500' 'sockets' 'providers' \
	  'turns' 'barge-in --half test' 'conversations --listener picows' \
	  'conversations --load brisk --find --sessions 60 --listener picows'; do \
	  $(SAY) "bench $$what"; \
	  $(BIN)/duologue bench $$what | tee "bench-out/$$(echo "$$what" | tr -cs 'a-z0-9\n' '-').txt" || true; \
	done

# The longest comes last. Each goes on where another found a limit broken; that is told at the end, by the status too.
soak: $(VENV)/.dev
	@mkdir -p bench-out && rm -f bench-out/soak-broken
	@for what in 'chaos --sessions 50 --minutes 10' 'kill --sessions 30 --minutes 3' 'churn --plot bench-out/churn.svg' \
	  'overload --capacity 100 --listener picows --plot bench-out/overload.svg' \
	  'monologue --sessions 100 --listener picows --plot bench-out/monologue.svg' \
	  'fuzz --listener picows --keep bench-out/fuzz-seeds.txt'; do \
	  $(SAY) "soak $$what"; \
	  { $(BIN)/duologue soak $$what || echo "soak $${what%% *}: a limit does not hold" >>bench-out/soak-broken; } \
	    | tee "bench-out/soak-$${what%% *}.txt"; \
	done
	@$(SAY) 'fuzzing of what is parsed'; \
	  FUZZ_EXAMPLES=20000 $(BIN)/pytest tests/test_fuzz_parsers.py || echo 'fuzzing: something breaks' >>bench-out/soak-broken
	@if $(BIN)/python -c 'import atheris' 2>/dev/null; then \
	  $(SAY) 'fuzzing of what is parsed, guided by the code that is reached'; \
	  $(BIN)/python -m duologue_bench.soak.parser_fuzz -max_total_time=600 -artifact_prefix=bench-out/ \
	    || echo 'guided fuzzing: something breaks' >>bench-out/soak-broken; \
	fi
	@! cat bench-out/soak-broken 2>/dev/null

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

corpus: $(VENV)/.dev
	@$(BIN)/python -m duologue_bench.corpus

dist: $(VENV)/.dev
	@rm -rf dist && $(BIN)/python -m build --outdir dist . && $(BIN)/python -m build --wheel --outdir dist benchmarks
	@PYTHON="$$PWD/$(BIN)/python" tools/try-dist dist

clean:
	rm -rf $(VENV) dist build .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# --- the environment; made again when pyproject.toml changes ---

$(VENV)/bin/python:
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'No $(PYTHON) here. duologue needs Python 3.11 or newer: on Debian, apt install python3 python3-venv.'; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "duologue needs Python 3.11 or newer, and $(PYTHON) is $$('$(PYTHON)' -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo 'This Python has no venv module. On Debian: apt install python3-venv.'; exit 1; }
	@$(SAY) 'making $(VENV)'
	@'$(PYTHON)' -m venv $(VENV)

$(VENV)/.local: $(VENV)/bin/python pyproject.toml
	@$(SAY) 'installing duologue and its local models (a minute or two, the first time)'
	@tools/quietly $(VENV)/install.log $(PIP) install --editable '.[local]'
	@touch $@

# Python compiles a module when it is imported. pip would compile all of them, on one processor.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml benchmarks/pyproject.toml
	@$(SAY) 'installing duologue and what its tests need (a minute or two, the first time)'
	@tools/quietly $(VENV)/install.log $(PIP) install --no-compile --editable '.[local,llm,dev]' --editable ./benchmarks
	@touch $@ $(VENV)/.local
