# Every target does the set-up it needs on a machine with Python 3.11, 3.12 or 3.13.
PYTHON ?= python3
# Variants that train at a time.
JOBS ?= 2
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: repro
repro: .venv/pipeline .dvc/tmp/plots.html ## set up, reproduce the pipeline (JOBS=2 variants train at a time), name the page to open
	python -m tools.repro --jobs $(JOBS)

.PHONY: ranking
ranking: .venv/pipeline ## print the comparison of the last run, a line for each variant
	@python -m tools.ranking

.PHONY: app
app: .venv/app ## set up, open a page in the browser: drop pictures, see what the models make of them
	@ls models/*.h5 >/dev/null 2>&1 || { echo "error: no model is here; run make repro first" >&2; exit 1; }
	python -m streamlit run tools/predict/app.py

.PHONY: notebook
notebook: .venv/notebook ## set up, run the notebook from top to bottom into notebooks/executed.ipynb
	jupyter execute --output executed notebooks/compare_models.ipynb

.PHONY: backbone
backbone: .venv/pipeline ## set up, fetch a pretrained network for photographs into data/backbones/ (17 MB)
	python -m tools.backbone

.PHONY: test
test: .venv/tests ## set up, check the code, run all tests (half an hour on two cores)
	PRE_COMMIT_HOME=.venv/pre-commit pre-commit run --all-files
	pytest --numprocesses auto --dist worksteal

.PHONY: test-quick
test-quick: .venv/tests ## only the tests that start neither DVC nor a tool, two minutes
	pytest -m 'not slow' --numprocesses auto

.PHONY: benchmark
benchmark: .venv/pipeline ## time a cold run, each stage and a run with nothing to do
	python -m benchmarks.pipeline

.PHONY: requirements
requirements: .venv/tests ## resolve requirements*.in anew for Python 3.11 to 3.13
	for name in requirements requirements-s3 requirements-ssh requirements-parquet \
	        requirements-app requirements-notebook requirements-export \
	        requirements-backbone requirements-cluster requirements-dev; do \
	    uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	        --generate-hashes --upgrade --custom-compile-command 'make requirements' \
	        $$name.in -o $$name.txt || exit 1; \
	done

.PHONY: clean
clean: ## remove the virtual environment (never data or results)
	rm -rf .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "error: needs Python 3.11, 3.12 or 3.13, found $$($(PYTHON) --version 2>&1); \
	set another with make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/pipeline: requirements.txt | .venv/bin/python
	@echo "installing TensorFlow, DVC and what they need into .venv: a minute or two"
	python -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

.venv/app .venv/notebook .venv/export: .venv/%: requirements-%.txt .venv/pipeline
	python -m pip install --quiet --require-hashes -r $<
	@touch $@

.venv/tests: requirements-dev.txt requirements-s3.txt requirements-ssh.txt requirements-parquet.txt \
        .venv/app .venv/notebook .venv/export
	python -m pip install --quiet --require-hashes -r requirements-s3.txt -r requirements-ssh.txt \
	    -r requirements-parquet.txt -r requirements-dev.txt
	@touch $@

.dvc/tmp/plots.html: requirements.txt tools/offline_plots.py | .venv/pipeline
	python -m tools.offline_plots
