# make demo   build a small release into demo/, load it, run a GCN over it
# make check  ruff, mypy --strict, and which part may import which
# make test   make check, and every test that takes seconds
# make ci     all that is checked: make check, every test, make compat, make wheel
# make compat what loads a release or talks to the Hub, with every generation of datasets and huggingface_hub
# make wheel  what pip installs, with each extra alone
# make docs   the pages of docs/ and the API reference, as a site in site/
# make release the release younger/, built on: what of all registries is not in it yet is converted, for many hours
# make hostile what a hostile model tries, and how each try ends
# make bench  every claim of speed, each against its named peer

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(abspath $(VENV))/bin

# One architecture of each family that torchvision has and that exports in seconds.
comma := ,
empty :=
TORCHVISION := \
    alexnet convnext_tiny deeplabv3_mobilenet_v3_large densenet121 efficientnet_b0 \
    fasterrcnn_mobilenet_v3_large_320_fpn fcn_resnet50 googlenet inception_v3 lraspp_mobilenet_v3_large maxvit_t \
    mnasnet0_5 mobilenet_v2 mobilenet_v3_large mvit_v1_b r3d_18 regnet_y_400mf resnet18 resnet50 resnext50_32x4d \
    retinanet_resnet50_fpn shufflenet_v2_x1_0 squeezenet1_0 ssdlite320_mobilenet_v3_large swin_t vgg11_bn vit_b_16 \
    wide_resnet50_2

.PHONY: demo release test ci check compat wheel hostile docs bench install clean

install: $(VENV)/installed

# An environment that was there before is kept and brought up to date; one that uv made has no pip.
$(VENV)/installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: install
	mkdir -p demo
	cd demo && $(BIN)/younger-hf build --jobs $(JOBS) --work work --output younger \
	    --source onnx-package --source torchvision:$(subst $(empty) $(empty),$(comma),$(strip $(TORCHVISION))) --source keras:MobileNetV2
	cd demo && $(BIN)/python ../examples/first_steps.py

# Sources that need no network, the composed ones last. Interrupt it at any time; run again, it goes on.
SOURCES := onnx-package torchvision timm pytorchcv transformers diffusers keras open-clip litgpt pretrainedmodels \
    segmentation-models-pytorch
release: install
	$(BIN)/younger-hf build --jobs $(JOBS) --work work --output younger $(if $(wildcard younger/README.md),--previous younger) \
	    $(addprefix --source ,$(SOURCES))

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

hostile: install
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/hostile/attack.py

bench: install
	for file in benchmarks/*.py; do grep -q __main__ $$file && $(BIN)/python $$file || true; done

clean:
	rm -rf demo site build .mypy_cache .ruff_cache .pytest_cache .hypothesis
