"""The curriculum as a sampler: targets by domain, what is logged, and what survives a checkpoint."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.runs.metric_names import curriculum_metric_name
from stt.sampling.base import Sample, Sampler, Utterances, observed_cers, places
from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.observations import Floats, Observations, Rows

log = logging.getLogger(__name__)
HISTOGRAM_BINS = 10


class CurriculumSampler(Sampler):
    """Keeps the CER of what is trained on at a target, by bringing harder utterances in as training goes.

    Source: the article's Idea 6; the law is in `stt.sampling.curriculum.control`.
    """

    needs_feedback = True

    def __init__(self, target_cer: float = 0.10, target_by_domain: dict[str, float] | None = None) -> None:
        """Set the targets.

        Args:
            target_cer: CER to keep in every domain, between 0 and 1.
            target_by_domain: other targets for some domains.
        """
        self.target_cer = target_cer
        self.target_by_domain = target_by_domain or {}

    def start(self, utterances: Utterances, seed: int) -> None:
        """Start a ledger without observations.

        Raises:
            InputError: a target is not between 0 and 1, or names no domain.
        """
        unknown = sorted(set(self.target_by_domain) - set(utterances.domains))
        if unknown:
            raise InputError(f"target_by_domain names unknown domains {unknown}; there are {utterances.domains}")
        targets = [self.target_by_domain.get(domain, self.target_cer) for domain in utterances.domains]
        try:
            controllers = [Controller.new(target) for target in targets]
        except ValueError as error:
            raise InputError(str(error)) from error
        ledger = Ledger.new(utterances.domain, len(utterances.domains), utterances.difficulty, seed)
        self.utterances = utterances
        self.curriculum = Curriculum(ledger, controllers, utterances.rows_by_domain, seed)
        self.hypotheses: dict[int, str] = {}

    def plan(self, counts: list[int], window: int) -> Sample:
        """Take of each domain what keeps its CER at the target."""
        drawn = [self.curriculum.draw(domain, count, window) for domain, count in enumerate(counts)]
        return Sample(np.concatenate([rows for rows, _ in drawn]), np.concatenate([weights for _, weights in drawn]))

    def put_back(self, rows: Rows) -> None:
        """Owe utterances the draw that found no room."""
        self.curriculum.put_back(rows)

    def update(self, observed: Observations) -> dict[str, float]:
        """Enter what was observed, and move the controllers."""
        self.curriculum.update(observed)
        label_errors = self.curriculum.label_errors
        texts = {**self.hypotheses, **observed.hypotheses}
        self.hypotheses = {row: text for row, text in texts.items() if label_errors[row]}
        metrics = observed_cers(self.utterances, observed)
        for i, domain in enumerate(self.utterances.domains):
            values = self._state_of(i) | self._ledger_of(i)
            metrics |= {curriculum_metric_name(name, domain): value for name, value in values.items()}
        return metrics

    def strengths(self, base: float) -> Floats:
        """The second lever, on top of the strength that all domains have."""
        added = [controller.strength for controller in self.curriculum.controllers]
        return np.minimum(1.0, base + np.array(added)).astype(np.float32)

    def inherit(self, state: dict[str, Any]) -> None:
        """Take over the ledger of a run that was sampled by a curriculum too."""
        if "ledger" in state:
            self.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """Ledger, controllers and label_errors, with the keys of the utterances and the domains they are about."""
        rows = np.array(list(self.hypotheses), np.int64)
        hypotheses = {"rows": rows, "texts": list(self.hypotheses.values())}
        about = {"keys": self.utterances.keys, "texts": self.utterances.texts, "domains": list(self.utterances.domains)}
        return {**self.curriculum.state_dict(), **about, "hypotheses": hypotheses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; of another manifest, with what is known of the utterances they share.

        Where a text was mended, its label is judged anew.
        """
        here = self.utterances
        texts = zip(state["hypotheses"]["rows"].tolist(), state["hypotheses"]["texts"], strict=True)
        if np.array_equal(state["keys"], here.keys) and state["domains"] == here.domains:
            self.curriculum.load_state_dict(state)
            self.hypotheses = dict(texts)
            self._forget_mended(here.texts != state["texts"])
            return
        there = places(state["keys"], here.keys)
        now = np.full(len(state["keys"]), -1, np.int64)
        now[there[there >= 0]] = np.flatnonzero(there >= 0)
        known = int((there >= 0).sum())
        log.warning(
            "%s is not the manifest that the checkpoint's ledger is about: %d utterances are known, "
            "%d are new and count as their domain's mean, %d of the ledger's are gone",
            here.name,
            known,
            len(there) - known,
            int((now < 0).sum()),
        )
        index = {domain: i for i, domain in enumerate(state["domains"])}
        self.curriculum.load_state_dict(state, there, [index.get(domain, -1) for domain in here.domains])
        self.hypotheses = {int(now[row]): text for row, text in texts if now[row] >= 0}
        self._forget_mended((there >= 0) & (here.texts != np.asarray(state["texts"])[there]))

    def _forget_mended(self, mended: npt.NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(mended)
        if len(rows):
            log.warning("%s: %d texts were mended, so their labels are judged anew", self.utterances.name, len(rows))
            self.curriculum.forget_labels(rows)
            self.hypotheses = {row: text for row, text in self.hypotheses.items() if not mended[row]}

    def _state_of(self, domain: int) -> dict[str, float]:
        """Say how a domain is steered and how far it has been gone through."""
        controller, bounds = self.curriculum.controllers[domain], self.curriculum.bounds[domain]
        ledger, rows = self.curriculum.ledger, self.utterances.rows_by_domain[domain]
        return {
            "target_cer": controller.target,
            "set_point": controller.set_point,
            "beta": bounds.beta,
            "strength": controller.strength,
            "effective_utterances": bounds.effective,
            "seen_share": float(np.count_nonzero(ledger.count[rows]) / len(rows)),
            "passes": float(ledger.count[rows].mean()),
            "label_errors": float(np.count_nonzero(self.curriculum.label_errors[rows])),
        }

    def _ledger_of(self, domain: int) -> dict[str, float]:
        """Histogram of the CERs expected today, as shares of the domain: a metric for each bin."""
        estimate = self.curriculum.ledger.estimate(self.utterances.rows_by_domain[domain], domain)
        counts, _ = np.histogram(estimate, bins=HISTOGRAM_BINS, range=(0, 1))
        shares = counts / len(estimate)
        return {f"ledger_{i / HISTOGRAM_BINS:.1f}": float(share) for i, share in enumerate(shares)}
