# make demo          sets up this machine and registers a card, end to end, on real parts
#                    (ROSTER=<csv> MAPPING=<name> for another roster)
# make test          sets up this machine and runs all tests (TESTS="tests/unit -k name" for some of them)
# make up            runs the whole system until Ctrl-C and prints the command that registers a virtual card on it, and
#                    how to call it (PROFILE=, OVERLAY=, STATE=; with CAs of one's own there is no demo card)
# make images        builds the images of all services and of the operator's command, with bills of materials
#                    (BASE_IMAGE=, SERVICES="front-door operator", TAG=, BUILD_OPTIONS="--pip-configuration --network host")
# make agent         builds the card agent's packages for this system: a folder with the program, and a .deb of it
#                    (RELEASE_KEYS=<public keys that sign releases>)
# make bench         runs the benchmarks
# make check         runs the static checks: style, types, imports, readers of the profile's keys, proto files, generated
#                    code and pages, and that clients in other languages can be generated
# make row-faults    breaks each requirement row that is met, in a copy, and sees a test fail by it (ROWS="ENT-03 LIF-01",
#                    JOBS=2)
# make errors        writes docs/errors.md: every reason with its words
# make requirements  writes docs/requirements.md: every requirement with its tests
# make generate      generates the Python code of the proto files
# make pins          compiles requirements/*.in to pinned versions with hashes

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && exit; done; echo python3)
PROFILE ?= profiles/saitama.yaml
OVERLAY ?=
STATE ?= .toroku/up
TESTS ?= tests
BASE_IMAGE ?=
SERVICES ?=
TAG ?=
BUILD_OPTIONS ?=
ROSTER ?=
MAPPING ?=
ROWS ?=
JOBS ?= 1
RELEASE_KEYS ?=

RUN := .venv/bin/python -m
# Hand-written code; generated code is left out.
SOURCES := libraries services card-agent protos/python/toroku_feed simulators demo benchmarks tests tools

.PHONY: demo test up images agent bench check row-faults errors requirements generate pins
.SILENT:

demo:
	$(PYTHON) tools/set_up.py demo
	$(RUN) demo $(if $(ROSTER),--roster "$(ROSTER)") $(if $(MAPPING),--mapping "$(MAPPING)")

test:
	$(PYTHON) tools/set_up.py test
	rm -rf build/coverage && mkdir -p build/coverage
	$(RUN) pytest -n logical --cov --cov-report=json:build/coverage/report.json \
		-p tests.support.coverage_summary $(TESTS)

up:
	$(PYTHON) tools/set_up.py demo
	exec $(RUN) demo.up --profile "$(PROFILE)" $(if $(OVERLAY),--overlay "$(OVERLAY)") --state "$(STATE)"

images:
	$(PYTHON) tools/build_images.py $(if $(BASE_IMAGE),--base-image "$(BASE_IMAGE)") $(if $(TAG),--tag "$(TAG)") $(BUILD_OPTIONS) $(SERVICES)

agent:
	$(PYTHON) tools/set_up.py test
	$(RUN) tools.build_agent deb $(if $(RELEASE_KEYS),--release-keys "$(RELEASE_KEYS)")

bench:
	$(PYTHON) tools/set_up.py bench
	$(RUN) benchmarks

check:
	$(PYTHON) tools/set_up.py check
	$(RUN) ruff check $(SOURCES)
	$(RUN) ruff format --check $(SOURCES)
	$(RUN) mypy $(SOURCES)
	$(RUN) mypy --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/windows card-agent/card_agent
	.venv/bin/lint-imports --no-logo
	tools/node_modules/.bin/buf lint protos
	$(RUN) tools.profile_readers
	.venv/bin/python tools/check_generated.py
	.venv/bin/python tools/check_languages.py
	$(RUN) tools.errors_page --check
	$(RUN) tools.requirement_table --check
	$(RUN) tools.row_faults --check
	$(RUN) tools.signed_acts_page --check
	$(RUN) pip check

row-faults:
	$(PYTHON) tools/set_up.py test
	$(RUN) tools.row_faults --jobs $(JOBS) $(ROWS)

errors:
	$(PYTHON) tools/set_up.py test
	$(RUN) tools.errors_page

requirements:
	$(PYTHON) tools/set_up.py test
	$(RUN) tools.requirement_table

generate:
	$(PYTHON) tools/set_up.py test
	protos/generate

pins:
	$(PYTHON) tools/pins.py
