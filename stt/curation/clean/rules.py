"""All rules by name, in the order in which they are applied, and their verdict on a corpus.

A rule compares one figure of an utterance with a limit. What it cannot know is not broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stt.curation.clean import duplicates, label_rules, text_rules
from stt.curation.clean.evidence import Evidence, Finding, Floats, Mask, at_least, at_most, between
from stt.errors import InputError


def unreadable(evidence: Evidence) -> Finding:
    """Find audio that cannot be read, or has another duration than in the manifest."""
    return at_most((~evidence.readable).astype(np.float64), 0, "unreadable audio")


def duration(evidence: Evidence) -> Finding:
    """Find what is too short or too long."""
    limits = evidence.limits
    return between(evidence.manifest.durations, limits.min_seconds, limits.max_seconds, "seconds")


def silence(evidence: Evidence) -> Finding:
    """Find what is mostly silent."""
    return at_most(evidence.figure("silence"), evidence.limits.max_silence, "share of silent frames")


def level(evidence: Evidence) -> Finding:
    """Find what is too quiet even where it is loudest."""
    return at_least(evidence.figure("level"), evidence.limits.min_level, "level of the loudest parts, dB:")


def clipping(evidence: Evidence) -> Finding:
    """Find what was recorded too loud."""
    return at_most(evidence.figure("clipping"), evidence.limits.max_clipping, "share of samples at full scale")


def snr(evidence: Evidence) -> Finding:
    """Find what is noise rather than speech."""
    return at_least(evidence.figure("snr"), evidence.limits.min_snr, "estimated SNR, dB:")


RULES: dict[str, Callable[[Evidence], Finding | None]] = {
    "unreadable": unreadable,
    "duration": duration,
    "rate": text_rules.rate,
    "alphabet": text_rules.alphabet,
    "test_text": text_rules.text_in_test,
    "test_speaker": text_rules.speaker_in_test,
    "silence": silence,
    "level": level,
    "clipping": clipping,
    "snr": snr,
    "label_error": label_rules.label_error,
    "cer": label_rules.cer,
    "run": label_rules.suspected,
}
DUPLICATES: dict[str, Callable[[Evidence, Mask], Finding | None]] = {
    "same_audio": duplicates.same_audio,
    "same_text": duplicates.same_text,
}
NAMES = (*RULES, *DUPLICATES)
OF_SAMPLES = ("silence", "level", "clipping", "snr", "same_audio")  # the rules for which audio is read


def check_names(names: Iterable[str]) -> None:
    """Check that rules exist and can be switched off.

    Raises:
        InputError: one does not, or cannot.
    """
    for name in names:
        if name not in NAMES[1:]:
            raise InputError(f"--off {name}: not a rule that can be off; those are {', '.join(NAMES[1:])}")


@dataclass
class Verdict:
    """What is rejected and why.

    Attributes:
        rule: index in `NAMES` of the first rule that a row breaks (row,), -1 if it is kept.
        figures: its figure (row,).
        limits: its limit (row,).
        reasons: of all rules that a row breaks, by row.
        lacking: what rules could not judge, by rule.
    """

    rule: npt.NDArray[np.int8]
    figures: Floats
    limits: Floats
    reasons: dict[int, list[str]] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> Mask:
        """Which rows break no rule (row,)."""
        return np.asarray(self.rule < 0)

    def add(self, name: str, finding: Finding) -> None:
        """Enter what a rule has found."""
        if finding.lacking:
            self.lacking[name] = finding.lacking
        first = finding.broken & self.kept
        self.rule[first] = NAMES.index(name)
        self.figures[first], self.limits[first] = finding.figures[first], finding.limits[first]
        for row in np.flatnonzero(finding.broken).tolist():
            self.reasons.setdefault(row, []).append(finding.reason(row))


def judge(evidence: Evidence, off: Iterable[str]) -> Verdict:
    """Apply all rules but those that are off."""
    count, skipped = len(evidence), set(off)
    verdict = Verdict(np.full(count, -1, np.int8), np.full(count, np.nan), np.full(count, np.nan))
    for name, rule in RULES.items():
        if name not in skipped and (finding := rule(evidence)) is not None:
            verdict.add(name, finding)
    for name, repeated in DUPLICATES.items():
        if name not in skipped and (finding := repeated(evidence, verdict.kept)) is not None:
            verdict.add(name, finding)
    for row in np.flatnonzero(~evidence.readable).tolist():
        verdict.reasons[row][0] = str(evidence.figures["unreadable"][row].as_py())
    return verdict
