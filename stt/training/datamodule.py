"""The LightningDataModule: turns manifests into batches that mix all domains."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader

from stt.corpus.manifest import Manifest, read_manifests
from stt.data.batch import Batch, Skipped
from stt.data.completeness import MAX_SKIPPED_SHARE
from stt.data.dataset import UtteranceDataset
from stt.data.feasibility import NOT_ALIGNABLE, feasible_rows
from stt.data.loader import StreamLoader, evaluation_loader, loader_options, prefetch_options
from stt.data.preprocessing import Preprocessing
from stt.data.utterances import utterances_of
from stt.errors import InputError
from stt.sampling import BatchStream, CurriculumSampler, Sampler
from stt.sampling.shares import domain_shares
from stt.text.tokenizer import OUTSIDE_ALPHABET
from stt.training.length import num_batches
from stt.training.state import to_arrays, to_tensors

log = logging.getLogger(__name__)

NEW_TOKENIZER = (
    "another alphabet needs a new tokenizer (stt tokenizer train), also to fine-tune: --model.tokenizer FILE"
)
MAX_WORKERS = 256  # processes per device; each takes half a gigabyte


class SpeechDataModule(LightningDataModule):
    """Samples all domains with equal probability, in batches limited by total audio seconds.

    Training reads one endless stream of batches; an epoch only sets how often to validate and save. The model
    determines the preprocessing; with an explicit `preprocessing` the data module also works without a model.

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
        max_skipped_share: float = MAX_SKIPPED_SHARE,
        max_skipped_train_share: float = 0.5,
    ) -> None:
        """Set the manifests and the batch limits.

        Args:
            train: manifest to train on; here and below, several manifests are concatenated.
            validate: manifest to validate on.
            test: manifest to test on.
            predict: manifest to transcribe.
            replay: manifest of earlier training data, mixed in to prevent forgetting.
            replay_share: total probability of the domains that only `replay` contains, 0 to 1; None gives all
                domains, old and new, the same probability.
            batches_per_epoch: batches per device between two validations.
            max_batch_seconds: maximum audio seconds in a batch on one device, padding included; augmentation may add to
                it (docs/augmentation.md).
            min_seconds: shorter utterances are excluded from training.
            max_seconds: longer utterances are excluded from training.
            domain_weights: relative sampling probability by domain; None gives all domains the same.
            sampler: `CurriculumSampler` (the default) or `UniformSampler`.
            num_workers: data loading processes per device.
            seed: random seed of the sampling order.
            preprocessing: how audio and texts are prepared; None takes it from the model.
            max_skipped_share: maximum share of a domain's utterances that a validation, test or prediction may skip
                because their audio is unreadable, silent or of another duration than in the manifest, 0 to 1.
            max_skipped_train_share: the same for the utterances of a domain that an epoch of training samples.

        Raises:
            InputError: a number is out of range.
        """
        super().__init__()
        for name, number, lowest, highest in (
            ("batches_per_epoch", batches_per_epoch, 1, 1e9),
            ("max_batch_seconds", max_batch_seconds, min_seconds, 1e9),
            ("min_seconds", min_seconds, 0, max_seconds),
            ("num_workers", num_workers, 0, MAX_WORKERS),
            ("seed", seed, 0, math.inf),
            ("max_skipped_share", max_skipped_share, 0, 1),
            ("max_skipped_train_share", max_skipped_train_share, 0, 1),
        ):
            if not lowest <= number <= highest:  # not a number is out of range, too
                limits = f"at least {lowest:g}" if highest == math.inf else f"between {lowest:g} and {highest:g}"
                raise InputError(f"--data.{name} {number:g}: it must be {limits}")
        given = {"train": train, "validate": validate, "test": test, "predict": predict, "replay": replay}
        self.manifests = {split: _names(paths) for split, paths in given.items()}
        self.replay_share = replay_share
        self.batches_per_epoch = batches_per_epoch
        self.max_batch_seconds = max_batch_seconds
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.domain_weights = domain_weights
        self.sampler = sampler or CurriculumSampler()
        self.num_workers = num_workers
        self.seed = seed
        self.preprocessing = preprocessing
        self.max_skipped_share = max_skipped_share
        self.max_skipped_train_share = max_skipped_train_share
        self._given_preprocessing = preprocessing
        self.datasets: dict[str, UtteranceDataset] = {}
        self.skipped: list[Skipped] = []
        self.stream: BatchStream | None = None  # from `setup("fit")` on

    def set_preprocessing(self, requested: Preprocessing) -> None:
        """Set the preprocessing of a model, before `setup`; data set up for a different one are discarded.

        Raises:
            InputError: the data module was given a different tokenizer, normalizer or sample rate.
        """
        given = self._given_preprocessing
        if given is not None:
            if given.identity[:3] != requested.identity[:3]:
                raise InputError(
                    "the data module has a different tokenizer, normalizer or sample rate from the model: give it the "
                    "model's preprocessing, or none"
                )
            requested.strength = given.strength
        if self.preprocessing is None or self.preprocessing.identity != requested.identity:
            self.datasets, self.stream, self.skipped = {}, None, []
        self.preprocessing = requested

    @property
    def rank(self) -> tuple[int, int]:
        """Rank of this process and number of processes; (0, 1) without a trainer."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def setup(self, stage: str) -> None:
        """Read the manifests of a stage; for training, select the usable rows.

        Raises:
            InputError: a manifest is missing or invalid, a domain has no usable utterances, or there is no
                preprocessing.
        """
        if self.preprocessing is None:
            raise InputError(
                "the data module has neither a model nor a preprocessing: pass SpeechDataModule(preprocessing=...)"
            )
        splits = ["train", "validate"] if stage == "fit" else [str(TrainerFn(stage).value)]
        if stage == "fit" and self.manifests["test"]:
            splits.append("test")  # the test follows training: report a bad manifest now
        for split in splits:
            if not self.manifests[split]:
                raise InputError(f"there is no manifest for {split}: give --data.{split} FILE")
            if split not in self.datasets:
                paths = self.manifests[split] + (self.manifests["replay"] if split == "train" else [])
                self.datasets[split] = UtteranceDataset(read_manifests(paths), self.preprocessing, split == "train")
                if split == "train":
                    self._set_up_training(self.datasets[split], self.preprocessing)
        if stage == "fit" and self.stream and self.trainer:
            self.stream.begin(num_batches(self.trainer, self.batches_per_epoch))

    def domains(self, split: str) -> list[str]:
        """Return the names of the domains in a split."""
        return self.datasets[split].manifest.domains

    def train_dataloader(self) -> StreamLoader:
        """Return this rank's batches, starting with the first that has not been consumed."""
        assert self.stream is not None
        options = loader_options(self.num_workers) | prefetch_options(self.num_workers, self.sampler.uses_feedback)
        return StreamLoader(self.datasets["train"], self.stream, self.batches_per_epoch, **options)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return batches of all rows of the validation manifest."""
        return self._evaluation("validate")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches of all rows of the test manifest."""
        return self._evaluation("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return batches of all rows of the manifest to transcribe."""
        return self._evaluation("predict")

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the batch stream."""
        return {"stream": to_tensors(self.stream.state_dict())} if self.stream is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the batch stream; testing and prediction ignore it.

        Raises:
            InputError: the checkpoint holds no stream, or one from an incompatible version.
        """
        if self.stream is None:
            return
        if "stream" not in state_dict:
            raise InputError(
                "the checkpoint holds no batch stream, so training cannot be resumed from it; "
                "use --model.init_from to start from its weights"
            )
        self.stream.load_state_dict(to_arrays(state_dict["stream"]))

    def _set_up_training(self, dataset: UtteranceDataset, preprocessing: Preprocessing) -> None:
        manifest = dataset.manifest
        longest = min(self.max_seconds, self.max_batch_seconds)
        keep, self.skipped = feasible_rows(dataset, preprocessing, self.min_seconds, longest)
        if self.skipped:
            kinds = Counter(item.kind for item in self.skipped)
            log.warning(
                "%s: %d of %d utterances are excluded from training: %s (listed in the run's skipped.csv)%s",
                manifest.path,
                len(self.skipped),
                len(manifest),
                ", ".join(f"{count} for {kind}" for kind, count in kinds.most_common()),
                "; `stt corpus feasibility` shows which vocabulary fits" if NOT_ALIGNABLE in kinds else "",
            )
        rows_by_domain = manifest.rows_by_domain(keep)
        for domain, rows in zip(manifest.domains, rows_by_domain, strict=True):
            if not len(rows):
                reason = next(i.reason for i in self.skipped if manifest.value(i.row, "domain") == domain)
                hint = f"; {NEW_TOKENIZER}" if OUTSIDE_ALPHABET in reason else ""
                raise InputError(
                    f"{manifest.path}: no utterance of the domain {domain} can be trained on; "
                    f"first reason: {reason}{hint}"
                )
        weights = self._weights(manifest)
        try:
            shares = domain_shares(manifest.domains, weights)
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

    def _weights(self, manifest: Manifest) -> dict[str, float] | None:
        """Return relative probabilities by domain: the given ones, or those that give replay its share.

        Raises:
            InputError: both are given, the share is out of range, or replay adds no domains.
        """
        if self.replay_share is None or not self.manifests["replay"]:
            return self.domain_weights
        if self.domain_weights is not None:
            raise InputError(
                "--data.replay_share and --data.domain_weights exclude each other: both set domain probabilities"
            )
        new = set(read_manifests(self.manifests["train"]).domains)
        old = [domain for domain in manifest.domains if domain not in new]
        if not 0 < self.replay_share < 1:
            raise InputError(f"--data.replay_share {self.replay_share}: it must be between 0 and 1")
        if not old:
            raise InputError(
                f"--data.replay_share: --data.train has all domains of --data.replay ({', '.join(manifest.domains)}): "
                "give the new source a domain of its own"
            )
        return {
            domain: (1 - self.replay_share) / len(new) if domain in new else self.replay_share / len(old)
            for domain in manifest.domains
        }

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        options = loader_options(self.num_workers)
        return evaluation_loader(self.datasets[split], self.max_batch_seconds, *self.rank, **options)


def _names(paths: str | Path | Sequence[str | Path] | None) -> list[str]:
    """Return manifests as strings. `Path` among the types of the arguments would change how configurations are read."""
    return [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths or [])]
