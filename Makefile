# make demo   run a GCN over a graph of younger/, and build a release with three more models upon it, into demo/
# make check  ruff, mypy --strict, and which part may import which
# make test   make check, and every test that takes seconds
# make ci     all that is checked: make check, every test, make compat, make wheel
# make compat what loads a release or talks to the Hub, with every generation of datasets and huggingface_hub
# make wheel  what pip installs, with each extra alone
# make docs   the pages of docs/ and the API reference, as a site in site/
# make notebooks run the notebooks of docs/tutorials/ on younger/, and keep what they show
# make release build younger/ on: what of all registries is not in it yet is converted, for many hours, and audited
# make hostile what a hostile model tries, and how each try ends
# make explore-shots every page of the explorer in Chromium, and pictures of them in build/explore-shots/
# make faults kills, full disks, lost nodes, hostile models and a failing Hub by the hundred, and what became of each;
#             interrupted, it goes on (build/faults.jsonl)
# make bench  every claim of speed, each against its named peer

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(abspath $(VENV))/bin

# Hundreds of processes import the same modules, which are compiled once even where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo release test ci check compat wheel hostile faults docs notebooks explore-shots bench install clean

install: $(VENV)/installed

# An environment that was there before is kept and brought up to date; one that uv made has no pip.
$(VENV)/installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# What the release does not have yet: three of its models for another opset.
demo: install
	$(BIN)/python examples/first_steps.py
	mkdir -p demo
	cd demo && $(BIN)/younger-hf build --jobs $(JOBS) --previous ../younger --trust-previous --work work \
	    --source torchvision:alexnet,resnet18,squeezenet1_1 --opset 17

# Sources that need no network, the composed ones last. Interrupt it at any time; run again, it goes on: younger/ is the
# ledger of what was converted before.
SOURCES := onnx-package python-packages torchvision timm pytorchcv transformers published-configurations diffusers keras \
    open-clip litgpt torchaudio monai pretrainedmodels segmentation-models-pytorch
release: install
	$(BIN)/younger-hf build --jobs $(JOBS) --work work --output younger --previous younger $(addprefix --source ,$(SOURCES))
	$(BIN)/younger-hf audit younger --jobs $(JOBS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not slow"

ci: check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope
	$(MAKE) compat wheel

compat: install
	$(BIN)/nox -s compat

wheel: install
	$(BIN)/nox -s wheel

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: install
	$(BIN)/python examples/run_tutorials.py

hostile: install
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/hostile/attack.py

explore-shots: install
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python tests/browser/explore_shots.py younger build/explore-shots

faults: install
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/faults/suite.py --jobs $(JOBS) --record build/faults.jsonl \
	    --write docs/reliability.md

bench: install
	for file in benchmarks/*.py; do grep -q __main__ $$file && $(BIN)/python $$file || true; done

clean:
	rm -rf demo site build .mypy_cache .ruff_cache .pytest_cache .hypothesis
