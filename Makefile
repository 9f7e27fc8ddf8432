# `make demo` and `make test` work on a fresh machine with Python 3.11 or 3.12 and a C++ compiler.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
DATA ?= ../shared/data
# One thread each: two processes with two threads each would slow each other down on two cores. Bytecode is kept, because
# the tests start many processes.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal
TINY := --config configs/model/tiny.yaml

.PHONY: help setup kenlm demo test test-slow test-all lint docs lock fsdd-corpus fsdd speechocean762-corpus speechocean762 speechocean762-synthetic curriculum-evidence english-corpus english loop gpu-bundle gpu-figures clean

help:
	@echo "make demo            synthesize a corpus, train, test and transcribe: about 10 minutes on two cores"
	@echo "make test            run the tests: five to eight minutes on two cores"
	@echo "make test-slow       run those that take longer: linters, lost ranks, fuzzing"
	@echo "make test-all        run both"
	@echo "make kenlm           build the tools of language models; the tests and stt lm train need them"
	@echo "make lint            run ruff, mypy and import-linter"
	@echo "make docs            build the documentation: docs/_build/index.html"
	@echo "make fsdd            train on real spoken digits (DATA=$(DATA))"
	@echo "make speechocean762  train on read sentences of non-native speakers (DATA=$(DATA))"
	@echo "make speechocean762-synthetic  the same after training on synthetic speech: an hour"
	@echo "make english         one model for six domains of real English; tested on a seventh: half an hour"
	@echo "make loop            clean, train, clean by the model, label, train again: the demo with label errors, half an hour"
	@echo "make curriculum-evidence  reproduce docs/curriculum.md: some three hours on two cores"
	@echo "make gpu-bundle      data and wheels for a GPU without network, to corpora/gpu: 60 MiB (DATA=$(DATA))"
	@echo "make gpu-figures     speed and ablation on a GPU, to docs/results/gpu.json: 7 minutes; repeat until nothing is left"
	@echo "make lock            update constraints.txt within the bounds of pyproject.toml"

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 or 3.12: run make PYTHON=/path/to/python3.11"; exit 2; }
	@command -v c++ >/dev/null || { echo "error: kenlm is built from source and needs a C++ compiler (c++)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/stt corpus demo --out corpora/demo
	$(BIN)/stt corpus stats corpora/demo/train.parquet
	$(BIN)/stt tokenizer train corpora/demo/train.parquet --out corpora/demo/tokenizer.model --pieces 300
	rm -rf runs/demo
	$(BIN)/python train.py fit $(TINY) --config configs/data/demo.yaml --run runs/demo
	$(BIN)/stt curriculum show runs/demo
	@echo "unseen files: a studio, a phone call, and a hall with unseen voices:"
	$(BIN)/stt transcribe runs/demo/checkpoints/best.ckpt corpora/demo/narration/test/00000.flac \
		corpora/demo/calls/test/00000.wav corpora/demo/public_speech/test/00000.flac

# The tools of language models; `stt lm train` builds them when it is first needed.
kenlm: .venv/kenlm

.venv/kenlm: .venv/installed
	$(BIN)/python -c 'from stt.decoding.kenlm_tools import TOOLS, kenlm_tool; print(*map(kenlm_tool, TOOLS))'
	touch $@

test: setup kenlm
	$(PYTEST) -m "not slow"

test-slow: setup kenlm
	$(PYTEST) -m slow

test-all: test test-slow

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build
	@echo "docs/_build/index.html"

fsdd-corpus: setup
	for split in train:600 validate:40 test:100; do \
		$(BIN)/stt corpus import fsdd $(DATA)/fsdd/recordings --out corpora/fsdd/$${split%:*}.parquet \
			--split $${split%:*} --strings $${split#*:} || exit; done
	$(BIN)/stt tokenizer train corpora/fsdd/train.parquet --out corpora/fsdd/tokenizer.model --pieces 48

fsdd: fsdd-corpus
	rm -rf runs/fsdd
	$(BIN)/python train.py fit $(TINY) --config configs/data/fsdd.yaml --run runs/fsdd

speechocean762-corpus: setup
	for split in train dev; do \
		$(BIN)/stt corpus import kaldi $(DATA)/speechocean762/$$split \
			--out corpora/speechocean762/$$split.parquet --domain '{age_group}_{gender}' || exit; done
	$(BIN)/stt tokenizer train corpora/speechocean762/train.parquet \
		--out corpora/speechocean762/tokenizer.model --pieces 100

speechocean762: speechocean762-corpus
	rm -rf runs/speechocean762
	$(BIN)/python train.py fit $(TINY) --config configs/data/speechocean762.yaml --run runs/speechocean762
	$(BIN)/python train.py test --ckpt_path runs/speechocean762/checkpoints/last.ckpt \
		--data.test corpora/speechocean762/dev.parquet

speechocean762-synthetic: speechocean762-corpus
	test -e corpora/synthetic || \
		$(BIN)/stt corpus synthesize corpora/speechocean762/train.parquet --language en --hours 6 --out corpora/synthetic
	rm -rf runs/synthetic runs/speechocean762-synthetic
	$(BIN)/python train.py fit $(TINY) --config configs/data/speechocean762.yaml --trainer.max_steps 5000 \
		--data.batches_per_epoch 1000 --data.train corpora/synthetic/train.parquet --model.augment.strength 0.5 \
		--run runs/synthetic
	$(BIN)/python train.py fit $(TINY) --config configs/data/speechocean762.yaml --trainer.max_steps 10000 \
		--data.batches_per_epoch 2000 --model.init_from runs/synthetic/checkpoints/last.ckpt --model.augment.strength 0.9 \
		--run runs/speechocean762-synthetic
	$(BIN)/python train.py test --ckpt_path runs/speechocean762-synthetic/checkpoints/last.ckpt \
		--data.test corpora/speechocean762/dev.parquet

# Domains of their own for the four groups of speakers; every other source is one. ivr_prompts is only tested on.
english-corpus: setup
	import() { $(BIN)/stt corpus import kaldi $(DATA)/$$1 --out corpora/english/$$2.parquet --domain "$$3" --id-prefix $${2%.*}/; }; \
	for split in train dev; do \
		import speechocean762/$$split speechocean762.$$split '{age_group}_{gender}' && \
		import kathleen/$$split kathleen.$$split kathleen && \
		import commonvoice_en/$$split commonvoice.$$split commonvoice || exit; done; \
	import ivr_prompts/en/dev ivr_prompts.dev ivr_prompts
	$(BIN)/stt tokenizer train corpora/english/*.train.parquet --out corpora/english/tokenizer.model --pieces 100

english: english-corpus kenlm
	$(BIN)/stt lm train corpora/english/*.train.parquet --out corpora/english/lm.binary --normalizer plain-1
	rm -rf runs/english
	$(BIN)/python train.py fit $(TINY) --config configs/data/english.yaml --run runs/english
	$(BIN)/python train.py test --ckpt_path runs/english/checkpoints/last.ckpt --decoder.beam.lm corpora/english/lm.binary \
		--data.test '[corpora/english/speechocean762.dev.parquet, corpora/english/kathleen.dev.parquet, \
			corpora/english/commonvoice.dev.parquet, corpora/english/ivr_prompts.dev.parquet]'
	$(BIN)/stt curriculum show runs/english

loop: setup
	test -e corpora/demo/train.parquet || $(BIN)/stt corpus demo --out corpora/demo
	$(BIN)/stt tokenizer train corpora/demo/train.parquet --out corpora/demo/tokenizer.model --pieces 300
	$(BIN)/python benchmarks/loop.py

gpu-bundle: setup
	$(BIN)/python benchmarks/gpu_bundle.py $(DATA) --out corpora/gpu

# Needs no network and no `make setup`: see docs/gpus.md.
gpu-figures:
	$(or $(wildcard $(BIN)/python),python3) benchmarks/gpu.py --data corpora/gpu --seconds-per-command 420

curriculum-evidence: fsdd-corpus english-corpus
	$(BIN)/python benchmarks/curriculum_scale.py
	$(BIN)/python benchmarks/observing.py
	$(BIN)/python benchmarks/noisy_digits.py --data $(DATA) --labels clean --seeds 0 1 2 3 4 5 6 7
	$(BIN)/python benchmarks/noisy_digits.py --data $(DATA) --seeds 0 --out docs/results/label_errors.json \
		--labels shuffled_10 truncated_10 off_by_one_10 pseudo_10 similar_10 no_speech_10 \
		--samplings UniformSampler CurriculumSampler drop_worst
	$(BIN)/python benchmarks/noisy_sentences.py --steps 3000
	$(BIN)/python benchmarks/new_domain.py --data $(DATA) --labels clean --seeds 0 1
	$(BIN)/python benchmarks/forgetting.py

lock: pyproject.toml
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check '.[dev]'
	{ echo "# Versions installed and tested together; written by make lock."; \
		.venv-lock/bin/pip freeze --exclude stt; } > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv runs corpora
