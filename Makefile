# make demo   build a small release into demo/, load it, run a GCN over it
# make test   everything that is checked: ruff, mypy --strict, pytest
# make bench  every claim of speed, each against its named peer

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(abspath $(VENV))/bin

# One architecture of each family that torchvision has and that exports in seconds.
TORCHVISION := alexnet

.PHONY: demo test check bench install clean

install: $(VENV)/installed

# An environment that was there before is kept and brought up to date.
$(VENV)/installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: install
	mkdir -p demo
	cd demo && $(BIN)/younger-hf build --jobs $(JOBS) --work work --output younger \
	    --source onnx-package --source torchvision:$(TORCHVISION) --source keras:MobileNetV2
	cd demo && $(BIN)/python ../examples/first_steps.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope

bench: install
	for file in benchmarks/*.py; do grep -q __main__ $$file && $(BIN)/python $$file || true; done

clean:
	rm -rf demo build .mypy_cache .ruff_cache .pytest_cache .hypothesis
