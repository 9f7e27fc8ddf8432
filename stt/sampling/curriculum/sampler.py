"""The curriculum as a sampler: targets by domain, metrics and checkpoint state."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.runs.metric_names import curriculum_metric_name
from stt.sampling.base import Sample, Sampler, Utterances, cer_metrics, find_keys
from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.observations import Floats, Observations, Rows
from stt.sampling.rising_strength import RisingStrength

log = logging.getLogger(__name__)
HISTOGRAM_BINS = 10
# Share of the training after which sampling is uniform: what is sampled while the learning rate falls decides what is
# learned, and hard utterances with strong augmentation until the end cost errors (docs/curriculum.md).
RELEASE = 0.75


class CurriculumSampler(Sampler):
    """Keeps the CER of the training batches at a target by adding harder utterances as the model improves.

    Source: Idea 6 of (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text"); the control law is in
    `stt.sampling.curriculum.control`.
    """

    uses_feedback = True
    needs_feedback = True

    def __init__(self, target_cer: float = 0.10, target_by_domain: dict[str, float] | None = None) -> None:
        """Set the targets.

        Args:
            target_cer: target CER of every domain, between 0 and 1.
            target_by_domain: targets of individual domains.
        """
        self.target_cer = target_cer
        self.target_by_domain = target_by_domain or {}

    def start(self, utterances: Utterances, seed: int) -> None:
        """Start a ledger without observations.

        Raises:
            InputError: a target is not between 0 and 1, or its domain is unknown.
        """
        unknown = sorted(set(self.target_by_domain) - set(utterances.domains))
        if unknown:
            raise InputError(f"target_by_domain contains unknown domains {unknown}; known: {utterances.domains}")
        targets = [self.target_by_domain.get(domain, self.target_cer) for domain in utterances.domains]
        try:
            controllers = [Controller.new(target) for target in targets]
        except ValueError as error:
            raise InputError(str(error)) from error
        ledger = Ledger.new(utterances.domain, len(utterances.domains), utterances.difficulty, seed)
        self.utterances = utterances
        self.curriculum = Curriculum(ledger, controllers, utterances.rows_by_domain, seed)
        self.hypotheses: dict[int, str] = {}
        self._strength = RisingStrength(utterances.domains)

    def plan(self, counts: list[int], window: int, progress: float = 0.0) -> Sample:
        """Sample each domain so that its CER stays at the target, in the end uniformly."""
        released = progress >= RELEASE
        parts = [self.curriculum.sample(domain, count, window, released) for domain, count in enumerate(counts)]
        return Sample(np.concatenate([rows for rows, _ in parts]), np.concatenate([weights for _, weights in parts]))

    def put_back(self, rows: Rows) -> None:
        """Increase the deficits of sampled utterances that did not fit."""
        self.curriculum.put_back(rows)

    def update(self, observations: Observations) -> dict[str, float]:
        """Record observations and update the controllers."""
        self.curriculum.update(observations)
        self._strength.update(self.utterances, observations)
        label_errors = self.curriculum.label_errors
        texts = {**self.hypotheses, **observations.hypotheses}
        self.hypotheses = {row: text for row, text in texts.items() if label_errors[row]}
        metrics = cer_metrics(self.utterances, observations) | self._strength.metrics()
        for i, domain in enumerate(self.utterances.domains):
            values = self._state_of(i) | self._ledger_of(i)
            metrics |= {curriculum_metric_name(name, domain): value for name, value in values.items()}
        return metrics

    def strengths(self, base: float) -> Floats:
        """Return the strength of each domain: what the base has risen to, plus the secondary control; 0 stays 0."""
        domains = range(len(self.utterances.domains))
        added = np.array([self.curriculum.added_strength(i) if base else 0.0 for i in domains], np.float32)
        return np.minimum(np.float32(1), self._strength.strengths(base) + added)

    def inherit(self, state: dict[str, Any]) -> None:
        """Start from the ledger of another run, if that used a curriculum, and with the full base strength."""
        if "ledger" in state:
            seed = self.curriculum.seed
            self.load_state_dict(state)
            self.curriculum.seed = seed  # a fine-tuning with another seed samples otherwise
        self._strength.skip()

    def state_dict(self) -> dict[str, Any]:
        """Return ledger, controllers, label errors and strengths, with the utterances' keys and the domain names."""
        rows = np.array(list(self.hypotheses), np.int64)
        hypotheses = {"rows": rows, "texts": list(self.hypotheses.values())}
        identity = {
            "keys": self.utterances.keys,
            "texts": self.utterances.texts,
            "domains": list(self.utterances.domains),
        }
        shares = {"strength_shares": self._strength.state_dict()}
        return {**self.curriculum.state_dict(), **identity, "hypotheses": hypotheses, **shares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`; with a different manifest, keep what is known of the shared utterances.

        Label-error scores of corrected texts are reset.

        Raises:
            InputError: the state is that of another sampler.
        """
        if "ledger" not in state:
            raise InputError("the checkpoint is of another sampler: resume with --data.sampler UniformSampler")
        current = self.utterances
        self._strength.load_state_dict(state.get("strength_shares", {}))
        texts = zip(state["hypotheses"]["rows"].tolist(), state["hypotheses"]["texts"], strict=True)
        if np.array_equal(state["keys"], current.keys) and state["domains"] == current.domains:
            self.curriculum.load_state_dict(state)
            self.hypotheses = dict(texts)
            self._reset_corrected(current.texts != state["texts"])
            return
        old_rows = find_keys(state["keys"], current.keys)
        new_rows = np.full(len(state["keys"]), -1, np.int64)
        new_rows[old_rows[old_rows >= 0]] = np.flatnonzero(old_rows >= 0)
        known = int((old_rows >= 0).sum())
        log.warning(
            "%s is not the manifest of the checkpoint's ledger: %d utterances are known, "
            "%d are new and start at their domain's mean CER, %d of the ledger are missing",
            current.name,
            known,
            len(old_rows) - known,
            int((new_rows < 0).sum()),
        )
        index = {domain: i for i, domain in enumerate(state["domains"])}
        self.curriculum.load_state_dict(state, old_rows, [index.get(domain, -1) for domain in current.domains])
        self.hypotheses = {int(new_rows[row]): text for row, text in texts if new_rows[row] >= 0}
        self._reset_corrected((old_rows >= 0) & (current.texts != np.asarray(state["texts"])[old_rows]))

    def _reset_corrected(self, corrected: npt.NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(corrected)
        if len(rows):
            log.warning(
                "%s: %d texts were corrected, so their label-error scores are reset", self.utterances.name, len(rows)
            )
            self.curriculum.forget_labels(rows)
            self.hypotheses = {row: text for row, text in self.hypotheses.items() if not corrected[row]}

    def _state_of(self, domain: int) -> dict[str, float]:
        """Return how a domain is controlled and how much of it has been seen."""
        controller, tilt = self.curriculum.controllers[domain], self.curriculum.tilts[domain]
        ledger, rows = self.curriculum.ledger, self.utterances.rows_by_domain[domain]
        return {
            "target_cer": controller.target,
            "set_point": controller.set_point,
            "beta": tilt.beta,
            "strength": self.curriculum.added_strength(domain),
            "effective_utterances": tilt.effective,
            "released": float(tilt.released),
            "seen_share": float(np.count_nonzero(ledger.count[rows]) / len(rows)),
            "passes": float(ledger.count[rows].mean()),
            "label_errors": float(np.count_nonzero(self.curriculum.label_errors[rows])),
        }

    def _ledger_of(self, domain: int) -> dict[str, float]:
        """Return the histogram of currently expected CERs, as shares of the domain: one metric per bin."""
        estimate = self.curriculum.ledger.estimate(self.utterances.rows_by_domain[domain], domain)
        counts, _ = np.histogram(estimate, bins=HISTOGRAM_BINS, range=(0, 1))
        shares = counts / len(estimate)
        return {f"ledger_{i / HISTOGRAM_BINS:.1f}": float(share) for i, share in enumerate(shares)}
