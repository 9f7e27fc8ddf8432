"""Which utterances each round trains on: uniformly, or by the curriculum, under one interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from stt.corpus.manifest import Manifest
from stt.curriculum.controller import Controller
from stt.curriculum.curriculum import Curriculum, Draw
from stt.curriculum.draw import Rows, uniform_draw
from stt.curriculum.ledger import Floats, Ledger
from stt.errors import InputError


class UniformSampling:
    """Every utterance of a domain equally often."""

    def start(self, manifest: Manifest, rows_by_domain: list[Rows], counts: list[int], seed: int) -> None:
        """Take over what there is to draw from: rows of each domain, and how many a round takes of each."""
        self.domains = manifest.domains
        self.rows_by_domain = rows_by_domain
        self.counts = counts
        self.seed = seed

    def draw(self, round_index: int) -> Rows:
        """Rows of a round, the same whenever and wherever it is asked for."""
        return uniform_draw(self.rows_by_domain, self.counts, self.seed, round_index)

    def close_round(self, round_index: int, rows: Rows, cers: Floats) -> dict[str, float]:
        """Enter the CERs observed in a round, a row each; gives what is worth logging."""
        found = dict(zip(rows.tolist(), cers.tolist(), strict=True))
        metrics = {}
        for domain, mine in zip(self.domains, self.rows_by_domain, strict=True):
            values = [found[row] for row in np.intersect1d(rows, mine).tolist()]
            if values:
                metrics[f"curriculum/observed_cer/{domain}"] = float(np.clip(values, 0, 1).mean())
        return metrics

    def strengths(self, base: float) -> dict[str, float]:
        """Augmentation strength of the domains that shall have another one than `base`."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What later rounds depend on, as plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""


class CurriculumSampling(UniformSampling):
    """Holds the CER of what is trained on at a target, by bringing harder utterances in as training goes.

    Source: the article's Idea 6; the law is in `stt.curriculum`.
    """

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
        prior = np.asarray(manifest.table["cer"].to_numpy(), dtype=np.float32)
        ledger = Ledger.new(manifest.domain_index, len(manifest.domains), prior)
        self.curriculum = Curriculum(ledger, controllers, rows_by_domain, seed)
        self.fingerprint = manifest.fingerprint
        self._round = -1
        self._draws: list[Draw] = []

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

    def close_round(self, round_index: int, rows: Rows, cers: Floats) -> dict[str, float]:
        """Enter the CERs observed in a round, and move the controllers."""
        self.draw(round_index)  # a run resumed between a round's last batch and its end has not drawn it
        found = np.full(len(self.curriculum.ledger.domain), np.nan, np.float32)
        found[rows] = cers
        self.curriculum.close_round(self._draws, [found[drawn.rows] for drawn in self._draws])
        metrics = super().close_round(round_index, rows, cers)
        ledger = self.curriculum.ledger
        for i, (domain, controller) in enumerate(zip(self.domains, self.curriculum.controllers, strict=True)):
            mine, drawn = self.rows_by_domain[i], self._draws[i]
            values = {
                "target_cer": controller.target,
                "set_point": controller.set_point,
                "beta": drawn.beta,
                "strength": controller.strength,
                "effective_utterances": drawn.effective * len(mine),
                "seen_share": float((ledger.count[mine] > 0).mean()),
                "passes": float(ledger.count[mine].mean()),
                "suspects": float(self.curriculum.suspects[mine].sum()),
            }
            metrics |= {f"curriculum/{name}/{domain}": value for name, value in values.items()}
        return metrics

    def strengths(self, base: float) -> dict[str, float]:
        """The second lever, on top of the strength that all domains have."""
        controllers = zip(self.domains, self.curriculum.controllers, strict=True)
        return {domain: min(1.0, base + controller.strength) for domain, controller in controllers}

    def state_dict(self) -> dict[str, Any]:
        """Ledger, controllers and suspects, with the fingerprint of the manifest they are about."""
        state = self.curriculum.state_dict()
        state["ledger"] = {name: _tensor(value) for name, value in state["ledger"].items()}
        state["suspects"] = _tensor(state["suspects"])
        return {**state, "fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            InputError: the state is about another manifest.
        """
        if state.get("fingerprint") != self.fingerprint:
            raise InputError(
                "the checkpoint's ledger is about another training manifest than the one given: resume with the same "
                "manifest"
            )
        ledger = {name: value.numpy() for name, value in state["ledger"].items()}
        self.curriculum.load_state_dict({**state, "ledger": ledger, "suspects": state["suspects"].numpy()})


def _tensor(values: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.copy())
