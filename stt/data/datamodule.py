"""The LightningDataModule: manifests in, batches of every domain out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from lightning import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader

from stt.corpus.manifest import Manifest, read_manifests
from stt.curriculum.draw import Rows, counts_per_round, domain_shares
from stt.curriculum.observed import Observed
from stt.curriculum.plan import plan_round
from stt.data.batch import Batch, Drawn, LeftOut
from stt.data.dataset import SpeechModel, UtteranceDataset
from stt.data.feasibility import feasible_rows
from stt.data.loader import RoundBatches, RoundLoader, evaluation_loader, loader_options
from stt.data.sampling import UniformSampling
from stt.errors import InputError
from stt.ranks import gathered

log = logging.getLogger(__name__)
FILL = 0.97  # share of the batches' room that a round draws; the rest takes up chance and padding


class SpeechDataModule(LightningDataModule):
    """Feeds every domain with equal probability, in batches cut to a budget of audio seconds.

    Training goes in rounds of a fixed number of batches; a round is Lightning's epoch.
    """

    def __init__(
        self,
        train: str | list[str] | None = None,
        validate: str | list[str] | None = None,
        test: str | list[str] | None = None,
        predict: str | list[str] | None = None,
        replay: str | list[str] | None = None,
        replay_share: float | None = None,
        batches_per_round: int = 200,
        max_batch_seconds: float = 60.0,
        min_seconds: float = 0.1,
        max_seconds: float = 30.0,
        domain_weights: dict[str, float] | None = None,
        sampling: UniformSampling | None = None,
        num_workers: int = 1,
        seed: int = 0,
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
            batches_per_round: batches that each device trains on in a round.
            max_batch_seconds: audio seconds a batch may occupy on one device, padding included.
            min_seconds: shorter utterances are not trained on.
            max_seconds: longer utterances are not trained on.
            domain_weights: relative probability by domain; None gives all domains the same.
            sampling: `UniformSampling` (also None) or `CurriculumSampling`.
            num_workers: processes that read audio, for each device.
            seed: decides which utterances come when.
        """
        super().__init__()
        given = {"train": train, "validate": validate, "test": test, "predict": predict, "replay": replay}
        self.manifests = {split: [paths] if isinstance(paths, str) else paths or [] for split, paths in given.items()}
        self.replay_share = replay_share
        self.inherited: dict[str, Any] = {}  # state of the sampling of the checkpoint that training begins with
        self.batches_per_round = batches_per_round
        self.max_batch_seconds = max_batch_seconds
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.domain_weights = domain_weights
        self.sampling = sampling or UniformSampling()
        self.num_workers = num_workers
        self.seed = seed
        self.datasets: dict[str, UtteranceDataset] = {}
        self.left_out: list[LeftOut] = []
        self._batches: RoundBatches | None = None
        self._rank_spread: float | None = None

    @property
    def model(self) -> SpeechModel:
        """The model that is fed: it decides on the tokenizer, the normalizer and the sample rate."""
        assert self.trainer is not None
        return self.trainer.lightning_module  # type: ignore[return-value]

    def setup(self, stage: str) -> None:
        """Read the manifests of a stage; for training, decide which rows can be used.

        Raises:
            InputError: a manifest is not named or not right, or a domain has nothing to train on.
        """
        splits = ["train", "validate"] if stage == "fit" else [str(TrainerFn(stage).value)]
        if stage == "fit" and self.manifests["test"]:
            splits.append("test")  # it follows the training: better to know now what is wrong with it
        for split in splits:
            if not self.manifests[split]:
                raise InputError(f"no manifest to {split} on: give --data.{split} FILE")
            if split not in self.datasets:
                paths = self.manifests[split] + (self.manifests["replay"] if split == "train" else [])
                self.datasets[split] = self._dataset(read_manifests(paths), split == "train")
                if split == "train":
                    self._set_up_training(self.datasets[split])

    def domains(self, split: str) -> list[str]:
        """Names of the domains of a split."""
        return self.datasets[split].manifest.domains

    def train_dataloader(self) -> RoundLoader:
        """Rounds of batches for this rank."""
        assert self.trainer is not None
        self._batches = RoundBatches(self.plan, self.batches_per_round, self.trainer.world_size)
        return RoundLoader(self.datasets["train"], self._batches, **loader_options(self.num_workers))

    def val_dataloader(self) -> DataLoader[Batch]:
        """All rows of the validation manifest."""
        return self._evaluation("validate")

    def test_dataloader(self) -> DataLoader[Batch]:
        """All rows of the test manifest."""
        return self._evaluation("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """All rows of the manifest to transcribe."""
        return self._evaluation("predict")

    def plan(self, round_index: int) -> Iterator[list[Drawn]]:
        """Plan a round for all ranks and give this rank's batches."""
        manifest, rank = self.datasets["train"].manifest, self.trainer.global_rank  # type: ignore[union-attr]
        strengths = self.sampling.strengths(self.model.augment.strength)
        for number, rows in enumerate(self._planned(round_index)):
            domains = [str(manifest.value(row, "domain")) for row in rows.tolist()]
            yield [
                Drawn(
                    row, strengths.get(domain, self.model.augment.strength), (self.seed, round_index, rank, number, i)
                )
                for i, (row, domain) in enumerate(zip(rows.tolist(), domains, strict=True))
            ]

    def _planned(self, round_index: int) -> list[Rows]:
        assert self.trainer is not None
        manifest = self.datasets["train"].manifest
        plan = plan_round(
            self.sampling.draw(round_index),
            manifest.durations,
            self.batches_per_round,
            self.trainer.world_size,
            self.max_batch_seconds,
            self.seed,
            round_index,
        )
        if self.trainer.world_size > 1 and len(set(gathered(self.trainer, plan.digest()))) > 1:
            raise InputError("the ranks have planned different rounds: they must read the same manifest and checkpoint")
        if self.trainer.world_size > 1:
            self._rank_spread = plan.rank_spread(manifest.durations)
        if plan.left_over:
            log.debug("round %d: %d drawn utterances found no room", round_index, plan.left_over)
        return plan.of_rank(self.trainer.global_rank)

    @property
    def round_is_finished(self) -> bool:
        """Whether training has consumed all batches of the round."""
        return self._batches is not None and self._batches.consumed >= self.batches_per_round

    def close_round(self, observed: Observed) -> dict[str, float]:
        """Hand the sampling what the round showed; gives what is worth logging."""
        assert self._batches is not None
        spread = {} if self._rank_spread is None else {"data/rank_cost_spread": self._rank_spread}
        return self.sampling.close_round(self._batches.round, observed) | spread

    def restored(self, observed: Observed) -> Observed:
        """Give what of a checkpoint's observations is still there, by today's rows; a test has no use for any."""
        return self.sampling.restored(observed) if "train" in self.datasets else Observed.nothing()

    def close_left_round(self, observed: Observed) -> None:
        """Hand it what a run with another number of ranks had seen of a round; training goes on with the next round."""
        if len(observed.rows):
            self.sampling.close_left_round(observed)

    def state_dict(self) -> dict[str, Any]:
        """State of the sampling, for a checkpoint."""
        return {"sampling": self.sampling.state_dict() if "train" in self.datasets else {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it; a test or a prediction has no use for it."""
        if "train" in self.datasets and state_dict["sampling"]:
            self.sampling.load_state_dict(state_dict["sampling"])

    def _dataset(self, manifest: Manifest, training: bool) -> UtteranceDataset:
        return UtteranceDataset(manifest, self.model, training)

    def _set_up_training(self, dataset: UtteranceDataset) -> None:
        assert self.trainer is not None
        manifest = dataset.manifest
        longest = min(self.max_seconds, self.max_batch_seconds)
        keep, self.left_out = feasible_rows(dataset, self.model, self.min_seconds, longest)
        if self.left_out:
            kinds = Counter(item.kind for item in self.left_out)
            log.warning(
                "%s: %d of %d utterances are left out of training: %s",
                manifest.path,
                len(self.left_out),
                len(manifest),
                ", ".join(f"{count} for {kind}" for kind, count in kinds.most_common()),
            )
        rows_by_domain = manifest.rows_by_domain(keep)
        for domain, rows in zip(manifest.domains, rows_by_domain, strict=True):
            if not len(rows):
                raise InputError(
                    f"{manifest.path}: nothing in the domain {domain} can be trained on; first reason: "
                    + next(item.reason for item in self.left_out if manifest.value(item.row, "domain") == domain)
                )
        try:
            shares = domain_shares(manifest.domains, self._weights(manifest))
        except ValueError as error:
            raise InputError(f"--data.domain_weights: {error}") from error
        batches = self.batches_per_round * self.trainer.world_size
        seconds = FILL * self.max_batch_seconds * batches
        counts = counts_per_round(manifest.durations, rows_by_domain, shares, seconds)
        if sum(counts) < batches:
            longest = float(np.max(manifest.durations[keep]))
            raise InputError(
                f"--data.max_batch_seconds {self.max_batch_seconds:g} is too small for utterances of up to "
                f"{longest:.1f} s"
            )
        self.sampling.start(manifest, rows_by_domain, counts, self.seed)
        self.sampling.inherit(self.inherited)
        steps_per_round = self.batches_per_round // max(1, self.trainer.accumulate_grad_batches)
        if self.trainer.max_steps > 0 and self.trainer.max_steps % max(1, steps_per_round):
            log.warning(
                "trainer.max_steps (%d) is not a multiple of a round's %d steps: the last steps will not be validated",
                self.trainer.max_steps,
                steps_per_round,
            )
        self.model.train_domains = manifest.domains

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
        assert self.trainer is not None
        return evaluation_loader(
            self.datasets[split],
            self.max_batch_seconds,
            self.trainer.global_rank,
            self.trainer.world_size,
            **loader_options(self.num_workers),
        )
