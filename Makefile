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

# Two processes, one per core: the first half starts servers and nights, the second is everything else. The second half is
# defined by what it ignores, so that no folder of tests is left out. Threads wait without spinning, because both share the cores.
FIRST_HALF := tests/deployments tests/flows tests/formats tests/tasks/storage
PYTEST := OMP_WAIT_POLICY=passive $(BIN)/python -m pytest
define RUN_TESTS
@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
$(PYTEST) $(1) $(FIRST_HALF) >$$log 2>&1 & first=$$!; \
$(PYTEST) $(1) $(FIRST_HALF:%=--ignore=%); second=$$?; \
wait $$first; first=$$?; cat $$log; \
echo "exit codes of the two halves: $$first (printed last), $$second (printed first)"; \
exit $$((first > second ? first : second))
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
