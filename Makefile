# One word per thing to do; `make help` lists them. Everything is built below this folder, from hash-pinned locks.
.DEFAULT_GOAL := help
PYTHON ?= python3
RUN := .venv/bin
ENVIRONMENT := $(PYTHON) -m fleet.dev.environments
DAILY := -n 4 --dist worksteal -m "not localstack and not slow and not long"
SLOW := -n 4 --dist worksteal -m "slow and not localstack and not long"
# Python 3.11 refuses a trace function to one of two threads that begin at once; another thread of its pool does the work then.
TRACED := -W "ignore:Exception ignored in thread started by:pytest.PytestUnraisableExceptionWarning"
ARGS ?=
unexport PYTHONDONTWRITEBYTECODE  # every process of a test run, some hundred, compiles all that it imports otherwise

.PHONY: test-313 test-browser test-long help setup setup-localstack setup-infra setup-bench demo dev test test-slow coverage mutations soak bench e2e-localstack lint fmt types types-infra templates \
	templates-check cfn-lint nag bundle site sbom audit lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' Makefile

setup:  ## build .venv and the embedded emulator's environment, unless they are there
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed (make PYTHON=python3.12 ...)" if sys.version_info < (3, 11) else 0)'
	@$(ENVIRONMENT) .venv requirements/dev.txt --editable
	@$(ENVIRONMENT) .emulators/ministack requirements/ministack.txt

setup-localstack: setup
	@$(ENVIRONMENT) .emulators/localstack requirements/localstack.txt

setup-infra: setup
	@$(ENVIRONMENT) .infra requirements/infra.txt

setup-bench: setup
	@$(ENVIRONMENT) .bench requirements/bench.txt
	@$(ENVIRONMENT) .bench-calls requirements/bench-calls.txt

demo: setup  ## the whole story on this machine: emulator, workers, real files, a table at the end
	@$(RUN)/fleet demo $(ARGS)

dev: setup  ## the same fleet, left running for any boto3 client to drive; Ctrl-C drains it
	@$(RUN)/fleet dev $(ARGS)

test: setup  ## unit, contract and end-to-end tests on the embedded emulator: about four minutes on two cores
	@$(RUN)/pytest $(DAILY) --hypothesis-profile daily $(ARGS)

test-313:  ## the daily tests on Python 3.13, what the image and Lambda run, in an environment of their own; without that Python nothing is run
	@found=$$(command -v python3.13) && $$found -c '' 2>/dev/null || { echo "there is no python3.13: nothing was run"; exit 0; }; \
		$$found -m fleet.dev.environments .venv-313 requirements/dev.txt --editable && $(ENVIRONMENT) .emulators/ministack requirements/ministack.txt \
		&& .venv-313/bin/pytest $(DAILY) --hypothesis-profile daily $(ARGS)

test-slow: setup  ## what waits for a minute's tick, kills real processes in series, or builds what ships
	@$(RUN)/pytest $(SLOW) $(ARGS)

test-long: setup  ## kills, restarts, outages and planted mistakes in series: what wants a machine of its own for half an hour
	@$(RUN)/pytest -n 2 --timeout 1800 -m "long and not localstack" $(ARGS)

test-browser: setup  ## the browser's example and the console in a real Chromium (two minutes); without one it fails, where `test-long` skips them
	@$(RUN)/python -c 'import sys; from tests.e2e.chromium import found; sys.exit(None if found() else "there is no Chromium: apt-get install chromium, or name one in CHROMIUM")'
	@$(RUN)/pytest -n 2 --dist loadfile --timeout 600 -m "long and not localstack" tests/e2e/test_browser.py tests/fleet/console/browser $(ARGS)

coverage: setup  ## the daily tests, measured: below 90 % it fails
	@$(RUN)/coverage erase
	@$(RUN)/coverage run -m pytest $(TRACED) $(DAILY) --hypothesis-profile daily $(ARGS)
	@$(RUN)/coverage combine --quiet
	@$(RUN)/coverage report

mutations: setup  ## more than two hundred one-line mistakes, one by one in copies: each must turn a test red (a quarter of an hour)
	@$(RUN)/python -m tests.mutations $(ARGS)

soak: setup  ## 2,000 simulated runs; real processes: 200 restarts, an outage of each dependency, a storm of ten minutes (half an hour)
	@$(RUN)/python -m tests.simulation --seeds 2000
	@timeout 900 $(RUN)/python -m tests.soak.restarts --restarts 200
	@timeout 900 $(RUN)/python -m tests.soak.outages --seconds 600
	@timeout 900 $(RUN)/python -m tests.soak --seconds 600 $(ARGS)

bench: setup-bench  ## measure this runtime against its peers, into docs/performance.md and docs/performance/ (half an hour on a quiet machine; ARGS=--quick: ten minutes, printed only)
	@$(RUN)/python -m tests.bench $(ARGS)

e2e-localstack: setup-localstack  ## the end-to-end tests on LocalStack: the one at AWS_ENDPOINT_URL, or host mode
	@$(RUN)/python -m fleet.dev.emulators.localstack -- $(RUN)/pytest -m "e2e and not lambda_door and not long or localstack" $(ARGS)

lint: setup  ## ruff: rules and format
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

fmt: setup  ## let ruff repair and format
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .

types: setup  ## mypy, strict
	@$(RUN)/mypy
	@$(RUN)/mypy examples

types-infra: setup-infra  ## mypy over the CDK app
	@$(RUN)/mypy --python-executable .infra/bin/python infra

templates: setup-infra  ## synthesize infra/templates from the CDK app (needs Node), and docs/reference.md from them and the code
	@.infra/bin/python -m infra.app
	@$(RUN)/python -m fleet.dev.reference

templates-check: setup-infra  ## say when infra/templates is not what the CDK app says
	@.infra/bin/python -m infra.app --check

cfn-lint: setup-infra  ## lint the committed templates
	@.infra/bin/cfn-lint infra/templates/*.json

nag: setup-infra  ## hold the stacks against AWS's own rules (cdk-nag): what stays has its reason in infra/nag.py
	@.infra/bin/python -m infra.nag

bundle: setup  ## the zip that Lambda runs, for the runtime of infra, which its name says: build/fleet-lambda-pythonX.Y-ARCHITECTURE.zip
	@$(RUN)/python -m fleet.dev.bundle $(ARGS)

site:  ## docs/ as pages to read offline: build/site (an environment of its own)
	@$(ENVIRONMENT) .docs requirements/docs.txt
	@.docs/bin/mkdocs build --quiet --strict

sbom: setup  ## list what the zip and the image hold, as CycloneDX: build/sbom.json
	@$(ENVIRONMENT) .audit requirements/audit.txt
	@mkdir -p build
	@.audit/bin/cyclonedx-py requirements requirements/runtime.txt --output-reproducible --output-file build/sbom.json

audit: setup  ## ask the package index for known faults of what is shipped
	@$(ENVIRONMENT) .audit requirements/audit.txt
	@.audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/runtime.txt -r requirements/lambda.txt

lock:  ## resolve the locks again; pins that still fit stay
	@$(ENVIRONMENT) .venv requirements/dev.txt --editable
	@for lock in runtime archive console lambda build dev bench bench-calls ministack localstack audit docs uv; do \
		case $$lock in runtime) from=pyproject.toml ;; *) from=requirements/$$lock.in ;; esac; \
		.fleet/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command 'make lock' $$from --output-file requirements/$$lock.txt || exit 1; \
	done

clean:  ## remove everything that was built
	rm -rf .venv .venv-313 .audit .docs .bench .bench-calls .emulators .infra .fleet build dist htmlcov .coverage .coverage.* coverage.json \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis
