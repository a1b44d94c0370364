# Everything a machine with Python 3.11+ and make needs. The first call of a target sets up .venv; later calls install nothing.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt

.PHONY: demo up test test-all test-faults lint audit bench bench-accuracy bench-ablation clean lock

demo: .venv/.demo
	$(BIN)/python -m deployments.demo

up: .venv/.demo
	@$(BIN)/nightcast up

# Four processes, because tests of commands and servers wait half of the time. Every folder has one part: the fourth is what the
# others leave. Threads wait without spinning, because all share the cores. Ctrl-C ends them all.
PART_1 := tests/deployments
PART_2 := tests/flows tests/formats tests/tasks/storage
PART_3 := tests/tasks --ignore=tests/tasks/storage
PART_4 := $(addprefix --ignore=tests/,deployments flows formats tasks)
PYTEST := OMP_WAIT_POLICY=passive $(BIN)/python -m pytest
define RUN_TESTS
@logs=$$(mktemp -d); trap 'rm -rf $$logs' EXIT; trap 'trap - TERM; kill 0' INT TERM; \
run() { part=$$1; shift; $(PYTEST) $(1) "$$@"; echo $$? >$$logs/$$part.code; }; \
run 1 $(PART_1) >$$logs/1 2>&1 & run 2 $(PART_2) >$$logs/2 2>&1 & run 3 $(PART_3) >$$logs/3 2>&1 & \
run 4 $(PART_4); wait; cat $$logs/1 $$logs/2 $$logs/3; \
echo "exit codes: of the part printed first $$(cat $$logs/4.code), of the others $$(cat $$logs/1.code $$logs/2.code $$logs/3.code | xargs)"; \
[ $$(cat $$logs/*.code | grep -cx 0) = 4 ]
endef

test: .venv/.test
	$(call RUN_TESTS)

test-all: .venv/.test
	$(call RUN_TESTS,-m "not benchmark")

# Every named fault, each commit phase, random sequences and sixty nights; prints how each ended and the time to recover.
test-faults: .venv/.test
	$(PYTEST) -s -m "slow or not slow" tests/faults

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.test
	$(BIN)/python -m pytest -m benchmark -s --timeout 3600 tests/benchmarks

# Both need ../shared/data and skip without it; figures, never assertions.
bench-accuracy: .venv/.test
	$(BIN)/python -m pytest -m benchmark -s --timeout 7200 tests/benchmarks/test_accuracy.py tests/benchmarks/test_defaults.py tests/benchmarks/test_linear.py tests/benchmarks/test_boards.py tests/benchmarks/test_m4.py

bench-ablation: .venv/.test
	$(BIN)/python -m pytest -m benchmark -s --timeout 7200 tests/benchmarks/test_ablation.py

# Known vulnerabilities, hashes and SBOM of the locked packages. Without a network it says what was not looked up.
audit: .venv/.audit
	@mkdir -p build && rm -f build/audit.json build/resolved.json build/sbom.json
	-@$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off --timeout 10 \
	  --format json --output build/audit.json 2>build/pip-audit.log
	-@$(INSTALL) --dry-run --ignore-installed --no-deps --requirement constraints.txt --report build/resolved.json
	@$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json
	@$(BIN)/python .ci/audit.py build/audit.json build/sbom.json build/resolved.json

# constraints.txt: the versions that a fresh environment ends up with, checked by `make test` before they are committed.
lock: .venv/.dev
	@mkdir -p build
	( echo "# A full lock for pip, written by \`make lock\` from the environment that passed \`make test\`."; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed -E 's/^torch( @ .*|==.*)$$/torch==2.13.0/' | grep -v '^nightcast' ) > build/lock.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --dry-run --ignore-installed --no-deps \
	  --requirement build/lock.txt --report build/resolved.json
	$(BIN)/python .ci/audit.py --write-hashes build/resolved.json build/lock.txt constraints.txt

clean:
	rm -rf .venv store .prefect build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv .venv

# torch first: with it in place nothing else asks the registry for a build with several GB of CUDA packages.
.venv/.demo: $(INPUTS) | $(BIN)/python
	$(INSTALL) torch
	$(INSTALL) --editable ".[demo]"
	@touch $@

.venv/.test: $(INPUTS) | $(BIN)/python
	$(INSTALL) torch
	$(INSTALL) --editable ".[test]"
	@touch $@ .venv/.demo

.venv/.audit: $(INPUTS) | $(BIN)/python
	$(INSTALL) torch
	$(INSTALL) --editable ".[dev,audit]"
	@touch $@ .venv/.dev .venv/.test .venv/.demo

.venv/.dev: $(INPUTS) | $(BIN)/python
	$(INSTALL) torch
	$(INSTALL) --editable ".[dev]"
	@touch $@ .venv/.test .venv/.demo
