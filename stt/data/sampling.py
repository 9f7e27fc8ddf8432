"""Which utterances each round trains on: uniformly, or by the curriculum, under one interface."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from stt.corpus.manifest import Manifest
from stt.curriculum.controller import Controller
from stt.curriculum.curriculum import Curriculum, Draw
from stt.curriculum.draw import Rows, uniform_draw
from stt.curriculum.ledger import Floats, Ledger
from stt.curriculum.observed import Observed, renumber
from stt.errors import InputError

log = logging.getLogger(__name__)
HISTOGRAM_BINS = 10


class UniformSampling:
    """Every utterance of a domain equally often."""

    wants_doubts = False  # whether it has a use for losses and hypotheses, which cost a little to observe

    def start(self, manifest: Manifest, rows_by_domain: list[Rows], counts: list[int], seed: int) -> None:
        """Take over what there is to draw from: rows of each domain, and how many a round takes of each."""
        self.domains = manifest.domains
        self.domain_index = manifest.domain_index
        self.rows_by_domain = rows_by_domain
        self.counts = counts
        self.seed = seed

    def draw(self, round_index: int) -> Rows:
        """Rows of a round, the same whenever and wherever it is asked for."""
        return uniform_draw(self.rows_by_domain, self.counts, self.seed, round_index)

    def close_round(self, round_index: int, observed: Observed) -> dict[str, float]:
        """Enter what was observed in a round; gives what is worth logging."""
        index = self.domain_index[observed.rows]
        counts = np.bincount(index, minlength=len(self.domains))
        sums = np.bincount(index, weights=np.clip(observed.cers, 0, 1), minlength=len(self.domains))
        return {
            f"curriculum/observed_cer/{domain}": float(sums[i] / counts[i])
            for i, domain in enumerate(self.domains)
            if counts[i]
        }

    def restored(self, observed: Observed) -> Observed:
        """Give what of a checkpoint's observations is still there, by today's rows."""
        there = np.arange(max(len(self.domain_index), int(observed.rows.max(initial=0)) + 1))
        return renumber(observed, np.where(there < len(self.domain_index), there, -1))

    def close_left_round(self, observed: Observed) -> None:
        """Enter what was observed of a round that a run with another number of ranks has left open."""

    def strengths(self, base: float) -> dict[str, float]:
        """Augmentation strength of the domains that shall have another one than `base`."""
        return {}

    def inherit(self, state: dict[str, Any]) -> None:
        """Take over what another run knew of the utterances; called before the first round."""

    def state_dict(self) -> dict[str, Any]:
        """What later rounds depend on, as plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""


class CurriculumSampling(UniformSampling):
    """Holds the CER of what is trained on at a target, by bringing harder utterances in as training goes.

    Source: the article's Idea 6; the law is in `stt.curriculum`.
    """

    wants_doubts = True

    def __init__(self, target_cer: float = 0.10, target_by_domain: dict[str, float] | None = None) -> None:
        """Set the targets.

        Args:
            target_cer: CER to hold in every domain, between 0 and 1.
            target_by_domain: other targets for some domains.
        """
        self.target_cer = target_cer
        self.target_by_domain = target_by_domain or {}

    def start(self, manifest: Manifest, rows_by_domain: list[Rows], counts: list[int], seed: int) -> None:
        """Start a ledger without observations.

        Raises:
            InputError: a target is not between 0 and 1, or names no domain.
        """
        super().start(manifest, rows_by_domain, counts, seed)
        unknown = sorted(set(self.target_by_domain) - set(manifest.domains))
        if unknown:
            raise InputError(f"target_by_domain names unknown domains {unknown}; there are {manifest.domains}")
        targets = [self.target_by_domain.get(domain, self.target_cer) for domain in manifest.domains]
        try:
            controllers = [Controller.new(target) for target in targets]
        except ValueError as error:
            raise InputError(str(error)) from error
        ledger = Ledger.new(manifest.domain_index, len(manifest.domains), difficulty(manifest), seed)
        self.curriculum = Curriculum(ledger, controllers, rows_by_domain, seed)
        self.keys = manifest.keys
        self.hypotheses: dict[int, str] = {}
        self._path = manifest.path
        self._round = -1
        self._draws: list[Draw] = []
        self._left = (-1, counts)  # round and counts of the checkpoint that was loaded
        self._now: Rows | None = None  # today's place of each row of its manifest, where that was another one

    def draw(self, round_index: int) -> Rows:
        """Rows of a round; it must be closed before another is drawn."""
        if round_index != self._round:
            # Half of a domain at most: a round that took all of it would leave nothing to choose.
            halves = [max(1, len(rows) // 2) for rows in self.rows_by_domain]
            counts = [min(count, half) for count, half in zip(self.counts, halves, strict=True)]
            self._draws = self.curriculum.draw_round(counts, round_index)
            self._round = round_index
        # A domain too small for its share of the round gives what it has several times.
        drawn = zip(self._draws, self.counts, strict=True)
        return np.concatenate([np.resize(one.rows, count) for one, count in drawn])

    def close_round(self, round_index: int, observed: Observed) -> dict[str, float]:
        """Enter what was observed in a round, and move the controllers."""
        self.draw(round_index)  # a run resumed between a round's last batch and its end has not drawn it
        self.curriculum.close_round(self._draws, observed)
        suspects = self.curriculum.suspects
        texts = {**self.hypotheses, **observed.hypotheses}
        self.hypotheses = {row: text for row, text in texts.items() if suspects[row]}
        metrics = super().close_round(round_index, observed)
        for i, domain in enumerate(self.domains):
            values = self._state_of(i) | self._ledger_of(i)
            metrics |= {f"curriculum/{name}/{domain}": value for name, value in values.items()}
        return metrics

    def restored(self, observed: Observed) -> Observed:
        """Give what of a checkpoint's observations is still there, by today's rows."""
        return observed if self._now is None else renumber(observed, self._now)

    def close_left_round(self, observed: Observed) -> None:
        """Enter what was observed of a round that a run with another number of ranks has left open."""
        round_index, counts = self._left
        self.counts, mine = counts, self.counts
        self.close_round(round_index, observed)
        self.counts, self._round = mine, -1

    def strengths(self, base: float) -> dict[str, float]:
        """The second lever, on top of the strength that all domains have."""
        controllers = zip(self.domains, self.curriculum.controllers, strict=True)
        return {domain: min(1.0, base + controller.strength) for domain, controller in controllers}

    def inherit(self, state: dict[str, Any]) -> None:
        """Take over the ledger of a run that was sampled by a curriculum too."""
        if "ledger" in state:
            self.load_state_dict(state)
            self._now = None  # nothing of a round is left open

    def state_dict(self) -> dict[str, Any]:
        """Ledger, controllers and suspects, with the keys of the utterances and the domains they are about."""
        state = self.curriculum.state_dict()
        state["ledger"] = {name: _tensor(value) for name, value in state["ledger"].items()}
        state["suspects"] = _tensor(state["suspects"])
        rows = torch.tensor(list(self.hypotheses), dtype=torch.int64)
        hypotheses = {"rows": rows, "texts": list(self.hypotheses.values())}
        keys = _tensor(self.keys.view(np.int64))  # torch saves uint64, but loads it only unsafely
        place = {"round": self._round, "counts": self.counts}
        return {**state, **place, "keys": keys, "domains": self.domains, "hypotheses": hypotheses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; of another manifest, with what is known of the utterances they share."""
        texts = zip(state["hypotheses"]["rows"].tolist(), state["hypotheses"]["texts"], strict=True)
        self._left = (state["round"], state["counts"])
        keys = state["keys"].numpy().view(np.uint64)
        if np.array_equal(keys, self.keys) and state["domains"] == self.domains:
            self.curriculum.load_state_dict(state)
            self.hypotheses = dict(texts)
            return
        places = _places(keys, self.keys)
        self._now = np.full(len(keys), -1, np.int64)
        self._now[places[places >= 0]] = np.flatnonzero(places >= 0)
        known = int((places >= 0).sum())
        gone = int((self._now < 0).sum())
        log.warning(
            "%s is not the manifest that the checkpoint's ledger is about: %d utterances are known, "
            "%d are new and count as their domain's mean, %d of the ledger's are gone",
            self._path,
            known,
            len(places) - known,
            gone,
        )
        names = {domain: i for i, domain in enumerate(state["domains"])}
        self.curriculum.load_state_dict(state, places, [names.get(domain, -1) for domain in self.domains])
        self.hypotheses = {int(self._now[row]): text for row, text in texts if self._now[row] >= 0}

    @property
    def nbytes(self) -> int:
        """Memory of all arrays that grow with the corpus, bytes."""
        rows = sum(rows.nbytes for rows in self.rows_by_domain)
        others = self.domain_index.nbytes + self.keys.nbytes + self.curriculum.suspects.nbytes
        return self.curriculum.ledger.nbytes + rows + others

    def _state_of(self, domain: int) -> dict[str, float]:
        """Say how a domain is steered and how far it has been gone through."""
        controller, ledger = self.curriculum.controllers[domain], self.curriculum.ledger
        drawn, mine = self._draws[domain], self.rows_by_domain[domain]
        return {
            "target_cer": controller.target,
            "set_point": controller.set_point,
            "beta": drawn.beta,
            "strength": controller.strength,
            "effective_utterances": drawn.effective,
            "seen_share": float(np.count_nonzero(ledger.count[mine]) / len(mine)),
            "passes": float(ledger.count[mine].mean()),
            "suspects": float(np.count_nonzero(self.curriculum.suspects[mine])),
        }

    def _ledger_of(self, domain: int) -> dict[str, float]:
        """Histogram of the CERs expected today, as shares of the domain: a metric for each bin."""
        estimate = self.curriculum.ledger.estimate(self.rows_by_domain[domain], domain)
        counts, _ = np.histogram(estimate, bins=HISTOGRAM_BINS, range=(0, 1))
        shares = counts / len(estimate)
        return {f"ledger_{i / HISTOGRAM_BINS:.1f}": float(share) for i, share in enumerate(shares)}


def difficulty(manifest: Manifest) -> Floats:
    """How hard each utterance seems before anyone has looked, on a scale of its domain's own (row,).

    The manifest's `cer` where a domain has one for every row, else the root of the speaking rate: on digits in noise
    its rank correlation with the CER was 0.08 to 0.19 within a domain, that of the duration -0.13 to 0.09.
    """
    cer = np.asarray(manifest.table["cer"].to_numpy(), dtype=np.float32)
    characters = np.asarray(pc.utf8_length(manifest.table["text"]).to_numpy(), dtype=np.float32)
    lacks = np.bincount(manifest.domain_index, weights=np.isnan(cer), minlength=len(manifest.domains)) > 0
    rate = np.sqrt(characters / manifest.durations)
    return np.where(lacks[manifest.domain_index], rate, cer)


def _places(keys: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> Rows:
    """Place of each wanted key among `keys`, -1 where there is none."""
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[place]] == wanted, order[place], -1)


def _tensor(values: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.copy())
