VENV := .venv
PYTHON ?= python3
FISHERFIELD := $(VENV)/bin/fisherfield
READY := $(VENV)/.ready
TABLES := normalization order-parameters atlas activations finite-width learning-rates sharpness \
	scale-invariance

.PHONY: check test nightly mutants table tables bench clean
.PRECIOUS: build/%.tex

check: $(READY)  ## judge the theorems against random networks
	$(FISHERFIELD) check

test: $(READY)  ## the tests and doctests, the style and the types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n auto

nightly: $(READY) .bench/b/.ready  ## the slow tests, more examples, the checker's own errors and priors, every table
	HYPOTHESIS_PROFILE=thorough $(VENV)/bin/pytest -n auto -m "slow or not slow"
	.bench/b/bin/python -m pytest -q tests/test_accelerated.py  # torch is there
	$(FISHERFIELD) calibrate
	$(FISHERFIELD) calibrate --priors
	$(MAKE) tables

mutants: $(READY)  ## planted errors of theory/: the tests must notice 95 %
	$(VENV)/bin/python -m tests.mutants --jobs $$(nproc)

table: build/normalization.pdf  ## the table of normalization schemes on a page

tables: $(TABLES:%=build/%.pdf)  ## every table on a page of its own, measured afresh

build/%.tex: $(READY)
	mkdir -p build
	$(FISHERFIELD) table $* --out $@ || [ $$? = 3 ]  # rows out of regime say so

build/%.pdf: build/%.tex derivations/page.tex
	cd build && for pass in 1 2; do \
		pdflatex -halt-on-error -interaction=nonstopmode -jobname $* \
		'\def\contents{$*.tex}\input{../derivations/page}' >/dev/null; done
	! grep -E "^(LaTeX|Package .*) Warning|^(Over|Under)full" build/$*.log

bench: $(READY) .bench/a/.ready .bench/b/.ready  ## speed against peers and the machine's own limits
	$(VENV)/bin/python -m benchmarks

.bench/%/.ready: benchmarks/peers-%.txt pyproject.toml
	$(PYTHON) -m venv .bench/$*
	.bench/$*/bin/python -m pip install --quiet --requirement $< --editable .
	touch $@

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt pip
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt \
		--build-constraint constraints.txt --group dev --editable .
	touch $(READY)

clean:
	rm -rf $(VENV) .bench
