"""The LightningDataModule: manifests in, batches of every domain out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader

from stt.corpus.manifest import Manifest, read_manifests
from stt.data.batch import Batch, Skipped
from stt.data.dataset import UtteranceDataset
from stt.data.feasibility import feasible_rows
from stt.data.loader import StreamLoader, evaluation_loader, loader_options, reading_ahead
from stt.data.preprocessing import Preprocessing
from stt.data.utterances import utterances_of
from stt.errors import InputError
from stt.sampling import BatchStream, Sampler, UniformSampler
from stt.sampling.shares import domain_shares

log = logging.getLogger(__name__)


class SpeechDataModule(LightningDataModule):
    """Feeds every domain with equal probability, in batches cut to a budget of audio seconds.

    Training takes one endless stream of batches; an epoch only says how often one validates and saves. The model that
    is trained says how audio and texts are read; with a `preprocessing` of their own the data can be used without any.

    Example:
        >>> import stt
        >>> preprocessing = stt.Preprocessing("letters.model", sample_rate=16_000)
        >>> paths = {"train": "corpus.csv", "validate": "corpus.csv"}
        >>> data = stt.SpeechDataModule(**paths, num_workers=0, preprocessing=preprocessing)
        >>> data.setup("fit")
        >>> data.domains("train")
        ['narration']
    """

    def __init__(
        self,
        train: str | list[str] | None = None,
        validate: str | list[str] | None = None,
        test: str | list[str] | None = None,
        predict: str | list[str] | None = None,
        replay: str | list[str] | None = None,
        replay_share: float | None = None,
        batches_per_epoch: int = 200,
        max_batch_seconds: float = 60.0,
        min_seconds: float = 0.1,
        max_seconds: float = 30.0,
        domain_weights: dict[str, float] | None = None,
        sampler: Sampler | None = None,
        num_workers: int = 1,
        seed: int = 0,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Name the manifests and the budgets.

        Args:
            train: manifest to train on; here and below, several are taken as one.
            validate: manifest to validate on.
            test: manifest to test on.
            predict: manifest to transcribe.
            replay: manifest of what was trained on before, which stays in the mix so that it is not forgotten.
            replay_share: probability of all domains that only `replay` brings, 0 to 1; None gives every domain,
                old or new, the same.
            batches_per_epoch: batches that each device trains on between two validations.
            max_batch_seconds: audio seconds a batch may occupy on one device, padding included.
            min_seconds: shorter utterances are not trained on.
            max_seconds: longer utterances are not trained on.
            domain_weights: relative probability by domain; None gives all domains the same.
            sampler: `UniformSampler` (also None) or `CurriculumSampler`.
            num_workers: processes that read audio, for each device.
            seed: decides which utterances come when.
            preprocessing: how audio and texts are read; None: as the model asks that is trained, validated or tested.
        """
        super().__init__()
        given = {"train": train, "validate": validate, "test": test, "predict": predict, "replay": replay}
        self.manifests = {split: [paths] if isinstance(paths, str) else paths or [] for split, paths in given.items()}
        self.replay_share = replay_share
        self.batches_per_epoch = batches_per_epoch
        self.max_batch_seconds = max_batch_seconds
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.domain_weights = domain_weights
        self.sampler = sampler or UniformSampler()
        self.num_workers = num_workers
        self.seed = seed
        self.preprocessing = preprocessing
        self._own_preprocessing = preprocessing
        self.datasets: dict[str, UtteranceDataset] = {}
        self.skipped: list[Skipped] = []
        self.stream: BatchStream | None = None  # from `setup("fit")` on

    def set_preprocessing(self, asked: Preprocessing) -> None:
        """Read as a model asks, before `setup`; what was set up for another one is set up anew.

        Raises:
            InputError: the data were given a tokenizer, a normalizer or a sample rate of their own, and it is another.
        """
        own = self._own_preprocessing
        if own is not None:
            if own.identity[:3] != asked.identity[:3]:
                raise InputError(
                    "the data read with another tokenizer, normalizer or sample rate than the model: give them the "
                    "model's, or none"
                )
            asked.strength = own.strength
        if self.preprocessing is None or self.preprocessing.identity != asked.identity:
            self.datasets, self.stream, self.skipped = {}, None, []
        self.preprocessing = asked

    @property
    def rank(self) -> tuple[int, int]:
        """Which of how many processes this is; by itself 0 of 1."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def setup(self, stage: str) -> None:
        """Read the manifests of a stage; for training, decide which rows can be used.

        Raises:
            InputError: a manifest is not named or not right, or a domain has nothing to train on, or nobody has said
                how to read.
        """
        if self.preprocessing is None:
            raise InputError(
                "the data module has neither a model nor a preprocessing: give SpeechDataModule(preprocessing=...)"
            )
        splits = ["train", "validate"] if stage == "fit" else [str(TrainerFn(stage).value)]
        if stage == "fit" and self.manifests["test"]:
            splits.append("test")  # it follows the training: better to know now what is wrong with it
        for split in splits:
            if not self.manifests[split]:
                raise InputError(f"no manifest to {split} on: give --data.{split} FILE")
            if split not in self.datasets:
                paths = self.manifests[split] + (self.manifests["replay"] if split == "train" else [])
                self.datasets[split] = UtteranceDataset(read_manifests(paths), self.preprocessing, split == "train")
                if split == "train":
                    self._set_up_training(self.datasets[split], self.preprocessing)

    def domains(self, split: str) -> list[str]:
        """Names of the domains of a split."""
        return self.datasets[split].manifest.domains

    def train_dataloader(self) -> StreamLoader:
        """Batches for this rank, from the first one that was not consumed."""
        assert self.stream is not None
        options = loader_options(self.num_workers) | reading_ahead(self.num_workers, self.sampler.needs_feedback)
        return StreamLoader(self.datasets["train"], self.stream, self.batches_per_epoch, **options)

    def val_dataloader(self) -> DataLoader[Batch]:
        """All rows of the validation manifest."""
        return self._evaluation("validate")

    def test_dataloader(self) -> DataLoader[Batch]:
        """All rows of the test manifest."""
        return self._evaluation("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """All rows of the manifest to transcribe."""
        return self._evaluation("predict")

    def state_dict(self) -> dict[str, Any]:
        """State of the stream of batches, for a checkpoint."""
        return {"stream": to_tensors(self.stream.state_dict())} if self.stream is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it; a test or a prediction has no use for it.

        Raises:
            InputError: the checkpoint's batches were planned by another version.
        """
        if self.stream is None:
            return
        if "stream" not in state_dict:
            raise InputError(
                "the checkpoint holds no stream of batches, so training cannot be resumed from it; "
                "--model.init_from takes its weights"
            )
        self.stream.load_state_dict(to_arrays(state_dict["stream"]))

    def _set_up_training(self, dataset: UtteranceDataset, preprocessing: Preprocessing) -> None:
        manifest = dataset.manifest
        longest = min(self.max_seconds, self.max_batch_seconds)
        keep, self.skipped = feasible_rows(dataset, preprocessing, self.min_seconds, longest)
        if self.skipped:
            kinds = Counter(item.kind for item in self.skipped)
            log.warning(
                "%s: %d of %d utterances are left out of training: %s",
                manifest.path,
                len(self.skipped),
                len(manifest),
                ", ".join(f"{count} for {kind}" for kind, count in kinds.most_common()),
            )
        rows_by_domain = manifest.rows_by_domain(keep)
        for domain, rows in zip(manifest.domains, rows_by_domain, strict=True):
            if not len(rows):
                raise InputError(
                    f"{manifest.path}: nothing in the domain {domain} can be trained on; first reason: "
                    + next(item.reason for item in self.skipped if manifest.value(item.row, "domain") == domain)
                )
        try:
            shares = domain_shares(manifest.domains, self._weights(manifest))
        except ValueError as error:
            raise InputError(f"--data.domain_weights: {error}") from error
        utterances = utterances_of(manifest, keep)
        self.sampler.start(utterances, self.seed)
        rank, num_ranks = self.rank
        self.stream = BatchStream(
            self.sampler,
            utterances,
            shares,
            self.max_batch_seconds,
            strength=preprocessing.strength,
            seed=self.seed,
            rank=rank,
            num_ranks=num_ranks,
        )
        if self.trainer:
            self._check_steps(self.trainer)

    def _check_steps(self, trainer: Trainer) -> None:
        steps_per_epoch = max(1, self.batches_per_epoch // max(1, trainer.accumulate_grad_batches))
        if trainer.max_steps > 0 and trainer.max_steps % steps_per_epoch:
            log.warning(
                "trainer.max_steps (%d) is not a multiple of an epoch's %d steps: the last steps will not be validated",
                trainer.max_steps,
                steps_per_epoch,
            )

    def _weights(self, manifest: Manifest) -> dict[str, float] | None:
        """Relative probability by domain: as given, or so that replay has its share.

        Raises:
            InputError: both are given, or the share is not one, or one side has no domain of its own.
        """
        if self.replay_share is None or not self.manifests["replay"]:
            return self.domain_weights
        if self.domain_weights is not None:
            raise InputError("--data.replay_share and --data.domain_weights both say how often a domain comes")
        new = set(read_manifests(self.manifests["train"]).domains)
        old = [domain for domain in manifest.domains if domain not in new]
        if not 0 < self.replay_share < 1 or not old:
            raise InputError("--data.replay_share must lie between 0 and 1, and --data.replay must bring other domains")
        return {
            domain: (1 - self.replay_share) / len(new) if domain in new else self.replay_share / len(old)
            for domain in manifest.domains
        }

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        options = loader_options(self.num_workers)
        return evaluation_loader(self.datasets[split], self.max_batch_seconds, *self.rank, **options)


def to_tensors(state: Any) -> Any:
    """Turn the arrays in nested plain values into tensors, which a checkpoint holds safely."""
    return _mapped(state, np.ndarray, lambda array: torch.from_numpy(array.copy()))


def to_arrays(state: Any) -> Any:
    """Turn them back."""
    return _mapped(state, torch.Tensor, lambda tensor: tensor.numpy())


def _mapped(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, kind, change) for key, item in value.items()}
    return [_mapped(item, kind, change) for item in value] if isinstance(value, list) else value
