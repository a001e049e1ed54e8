# clicksmith: `make` lists the targets. Every target does the set-up that it needs, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
# pip shows its progress on a terminal and keeps quiet elsewhere. Compiling all of torch and Ray would take two
# minutes of three; Python compiles what it imports.
PIP_INSTALL := $(PY) -m pip --disable-pip-version-check install --no-compile $$([ -t 1 ] || echo --quiet)
WITH_JAVA := JAVA_HOME="$$(bash deploy/setup/java.sh $(PY))" && export JAVA_HOME &&
CODE := lib jobs tests deploy setup.py

# Wheels kept beside the checkout save large downloads; what the user has set stays.
WHEELS := $(wildcard $(CURDIR)/../shared/wheels)
export PIP_FIND_LINKS := $(strip $(PIP_FIND_LINKS) $(WHEELS))

.PHONY: help
help: ## this list
	@echo "clicksmith: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: setup ## real data through the whole pipeline to verdicts and a report (10-12 minutes)
	@$(WITH_JAVA) $(PY) jobs/run_pipeline.py --conf conf/local.yaml $(ARGS)

.PHONY: smoke
smoke: setup ## the same road on a tiny slice (some five minutes)
	@$(WITH_JAVA) $(PY) jobs/run_pipeline.py --conf conf/smoke.yaml $(ARGS)

.PHONY: simulated
simulated: setup ## a simulated click stream with a known truth, up to training examples (two minutes)
	@$(WITH_JAVA) for job in simulate_events ingest_events clean_events build_profiles build_training_set; do \
		$(PY) jobs/$$job.py --conf conf/simulated.yaml $(ARGS) || exit; done

.PHONY: init
init: setup ## a configuration for a log of your own: make init LOG=path [OUT=conf/NAME.yaml]
	@$(PY) jobs/init_conf.py "$(LOG)" $(if $(OUT),--out "$(OUT)") $(if $(COLUMNS),--columns $(COLUMNS)) \
		$(if $(TYPES),--types $(TYPES))

.PHONY: run
run: setup ## the whole pipeline by a configuration: make run CONF=conf/NAME.yaml
	@$(WITH_JAVA) $(PY) jobs/run_pipeline.py --conf "$(CONF)" $(ARGS)

.PHONY: report
report: ## where the demo's report is; opens it where there is a desktop
	@report=.lake/demo/_reports/report.html; \
	if [ ! -f $$report ]; then echo "No report yet: make demo"; exit 1; fi; \
	echo "$(CURDIR)/$$report"; \
	if [ "$$(uname)" = Darwin ]; then open $$report || true; \
	elif [ -n "$$DISPLAY" ] && command -v xdg-open >/dev/null; then xdg-open $$report >/dev/null 2>&1 || true; fi

.PHONY: test
test: setup $(VENV)/.dev ## all tests but the long ones (at most 15 minutes; ARGS="-k name" selects some)
	@$(WITH_JAVA) $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not soak' $(ARGS)

.PHONY: soak
soak: setup $(VENV)/.dev ## the long tests: kills, clusters of several nodes, submitted jobs, whole logs
	@$(WITH_JAVA) $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m soak $(ARGS)

.PHONY: demo-check
demo-check: setup $(VENV)/.dev ## make demo in a lake of its own, within 8 GB and 12 minutes, and what came out
	@PYTHONPATH=lib:tests $(PY) tests/ci/demo.py $(ARGS)

.PHONY: bench-generators
bench-generators: $(VENV)/.dev $(VENV)-peers/.mostlyai ## tabular generators beside a public one (half an hour)
	@PYTHONPATH=lib:tests $(PY) tests/benchmarks/generators.py --peer-python $(VENV)-peers/bin/python $(ARGS)

.PHONY: bench-start
bench-start: setup $(VENV)/.dev ## what a job on a thousand rows waits for, and a training of 20 steps (five minutes)
	@$(WITH_JAVA) PYTHONPATH=lib:tests $(PY) tests/benchmarks/start.py $(ARGS)

.PHONY: bench-data
bench-data: $(VENV)/.dev ## cleaning and features beside DuckDB, and growth to 200 million events (an hour)
	@PYTHONPATH=lib:tests $(PY) tests/benchmarks/data.py $(ARGS)

.PHONY: bench-recommenders
bench-recommenders: $(VENV)/.dev $(VENV)/.search $(VENV)-peers/.recbole ## recommenders beside published figures and a public library (an hour)
	@PYTHONPATH=lib:tests $(PY) tests/benchmarks/recommenders.py --peer-python $(VENV)-peers/recbole/bin/python $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## style
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)

.PHONY: fmt
fmt: $(VENV)/.dev ## mend style
	@$(PY) -m ruff check --fix $(CODE)
	@$(PY) -m ruff format $(CODE)

.PHONY: typecheck
typecheck: $(VENV)/.dev ## types of the library
	@$(PY) -m mypy

.PHONY: imports
imports: $(VENV)/.dev ## who may import whom
	@$(VENV)/bin/lint-imports

.PHONY: bench-lift
bench-lift: setup $(VENV)/.dev ## whether verdicts can be believed: 400 small measurements (half an hour)
	@$(WITH_JAVA) PYTHONPATH=lib:tests $(PY) tests/benchmarks/lift.py $(ARGS)

.PHONY: bench-lift-logs
bench-lift-logs: setup $(VENV)/.dev ## what every arm gives on public logs (35 minutes a log)
	@$(WITH_JAVA) PYTHONPATH=lib:tests $(PY) tests/benchmarks/lift_logs.py $(ARGS)

.PHONY: bench-collapse
bench-collapse: $(VENV)/.dev ## each measure against mode collapse on planted modes (some ten minutes)
	@PYTHONPATH=lib:tests $(PY) tests/benchmarks/collapse.py

.PHONY: setup
setup: $(VENV)/.run $(VENV)/.spark ## what demo needs: a virtual environment, Java, Delta's jars

.PHONY: clean
clean: ## remove the lakes of demo and smoke; the environment and fetched data stay
	rm -rf .lake

$(VENV)/.created:
	@python="$$(bash deploy/setup/python.sh)" && echo "setup: a virtual environment with $$python" && "$$python" -m venv $(VENV)
	@$(PY) -m pip --disable-pip-version-check install --quiet --upgrade pip
	@touch $@

$(VENV)/.run: $(VENV)/.created setup.py
	@echo "setup: installing packages (some minutes the first time)"
	@$(PIP_INSTALL) -e '.[spark,ray,report]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "setup: installing test tools"
	@$(PIP_INSTALL) -e '.[spark,ray,report,dev]'
	@touch $@

$(VENV)/.search: $(VENV)/.run
	@echo "setup: installing packages for search models"
	@$(PIP_INSTALL) -e '.[spark,ray,report,search]'
	@touch $@

$(VENV)-peers/.mostlyai: $(VENV)/.created
	@echo "setup: the peers' own environment"
	@$(PY) -m venv $(VENV)-peers
	@$(VENV)-peers/bin/python -m pip --disable-pip-version-check install --quiet --no-deps mostlyai-engine==2.7.3
	@# Its other requirements, but for those of images and language models.
	@$(VENV)-peers/bin/python -m pip --disable-pip-version-check install --quiet torch==2.13.0 accelerate datasets \
	  huggingface-hub joblib json-repair numpy opacus 'pandas<3' peft 'psutil<6' pyarrow scikit-learn tokenizers \
	  'transformers>=5.5.3'
	@touch $@

$(VENV)-peers/.recbole: $(VENV)/.created
	@echo "setup: RecBole's own environment"
	@$(PY) -m venv $(VENV)-peers/recbole
	@$(VENV)-peers/recbole/bin/python -m pip --disable-pip-version-check install --quiet --no-deps recbole==1.2.1
	@# Its pins are of 2023: these are what its SASRec needs, and run.
	@$(VENV)-peers/recbole/bin/python -m pip --disable-pip-version-check install --quiet torch==2.13.0 'numpy<3' \
	  scipy 'pandas<3' tqdm colorlog colorama scikit-learn pyyaml tensorboard thop tabulate plotly texttable psutil
	@touch $@

$(VENV)/.spark: $(VENV)/.run $(addprefix deploy/setup/,prepare_spark.py share_classes.py log4j2.properties)
	@echo "setup: fetching Delta's jars, archiving Spark's classes"
	@$(WITH_JAVA) $(PY) deploy/setup/prepare_spark.py
	@$(WITH_JAVA) $(PY) deploy/setup/share_classes.py
	@touch $@
