"""How machine labels are scored and calibrated: the alternatives that docs/labelling.md compares.

Recognizes manifests with texts, and prints: which share of the words could be kept at a wanted word error rate in the
order of each score, if all errors were known; the expected calibration error of one calibration for all domains and of
one for each; and the true rate of what is kept, with and without the utterance that is added to the limit. The last two
are means over random splits into utterances to calibrate on and utterances to judge.

    python benchmarks/label_scores.py CKPT MANIFEST... --out docs/results/label_scores.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import write_report

from stt.corpus.manifest import read_manifests
from stt.curation.label.calibration import Calibration, Observed
from stt.curation.label.reliability import Reliability
from stt.curation.recognize import Model, RecognizedRow, recognize
from stt.decoding.words import best_hypothesis
from stt.metrics.error_rate import word_edits

WANTED = (0.02, 0.05, 0.1)
CALIBRATED = (300, 800)  # utterances
DRAWS = 100


def main() -> None:
    """Recognize, compare, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ckpt", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("docs/results/label_scores.json"))
    args = parser.parse_args()
    scores, observed, domains = recognized(args.ckpt, args.manifests)
    shares = {name: [share(values, observed, wanted) for wanted in WANTED] for name, values in scores.items()}
    splits = {str(count): split(observed, domains, count) for count in CALIBRATED if count < len(observed)}
    report = {"utterances": len(observed), "wer": observed.wer, "wanted": WANTED, "share": shares, "calibrated": splits}
    print(json.dumps(report, indent=1))
    write_report(args.out, report)


def recognized(ckpt: Path, manifests: list[Path]) -> tuple[dict[str, npt.NDArray[Any]], Observed, npt.NDArray[Any]]:
    """Return the scores by name, what is observed, and the domain of every utterance with a hypothesis."""
    manifest = read_manifests(manifests)
    recognizer, decoder = Model(ckpt).load()
    rows: list[tuple[float, ...]] = []
    domains = []
    for batch in recognize(recognizer, decoder, manifest):
        for one in batch:
            if isinstance(one, RecognizedRow) and one.hypothesis:
                tokens = best_hypothesis(one.log_probs, recognizer.tokenizer).confidences
                by_character = one.score * len(tokens) / len(one.hypothesis)
                path = float(one.log_probs.max(axis=1).mean())
                words = len(one.reference.split())
                edits = word_edits(one.reference, one.hypothesis)
                rows.append((float(np.mean(tokens)), min(tokens), path, by_character, one.score, edits, words))
                domains.append(str(manifest.value(one.row, "domain")))
    columns = np.array(rows).T
    names = (
        "mean_probability",
        "lowest_probability",
        "path_by_frame",
        "likelihood_by_character",
        "likelihood_by_token",
    )
    return dict(zip(names, columns, strict=False)), Observed(columns[4], columns[5], columns[6]), np.array(domains)


def share(scores: npt.NDArray[Any], observed: Observed, wanted: float) -> float:
    """Return the largest share of the words that can be kept, the highest score first, within a wanted rate."""
    order = np.argsort(-scores, kind="stable")
    words = np.cumsum(observed.words[order])
    within = np.flatnonzero(np.cumsum(observed.edits[order]) <= wanted * words)
    return round(float(words[within[-1]] / words[-1]), 3) if len(within) else 0.0


def split(observed: Observed, domains: npt.NDArray[Any], count: int) -> dict[str, Any]:
    """Calibrate on `count` random utterances and judge the others; return means over draws."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        order = rng.permutation(len(observed))
        known, new = order[:count], order[count:]
        pooled = Calibration.fit(observed.where(known))
        expected = {"one": pooled.expected_wer(observed.scores[new]), "by_domain": np.zeros(len(new))}
        for domain in np.unique(domains):
            own = Calibration.fit(observed.where(known[domains[known] == domain]))
            of_domain = domains[new] == domain
            expected["by_domain"][of_domain] = own.expected_wer(observed.scores[new[of_domain]])
            for name, values in expected.items():
                part = Reliability.of(values[of_domain], observed.where(new[of_domain]))
                found.setdefault(f"ece {name} {domain}", []).append(part.ece)
        for name, values in expected.items():
            found.setdefault(f"ece {name}", []).append(Reliability.of(values, observed.where(new)).ece)
        for wanted in WANTED:
            plain = np.cumsum((pooled.wers * pooled.words)[::-1]) / np.cumsum(pooled.words[::-1])
            for name, rates in (("plain", plain), ("one more", pooled.kept_wers())):
                reached = np.flatnonzero(rates <= wanted)
                limit = pooled.scores[::-1][reached[-1]] if len(reached) else np.inf
                kept = observed.where(new[observed.scores[new] >= limit])
                found.setdefault(f"wer {wanted:g} {name}", []).append(kept.wer)
                found.setdefault(f"kept {wanted:g} {name}", []).append(len(kept) / len(new))
    return {name: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)] for name, values in found.items()}


if __name__ == "__main__":
    main()
