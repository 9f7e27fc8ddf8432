"""Estimates an n-gram language model from texts: normalized here, counted and smoothed by KenLM's lmplz.

Source: Heafield et al., "Scalable Modified Kneser-Ney Language Model Estimation", 2013.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stt.decoding.kenlm_tools import kenlm_tool
from stt.decoding.language_model import Description, describe
from stt.errors import InputError
from stt.files import atomic_write
from stt.text.normalize import Normalizer

NO_WORDS = frozenset({"<unk>", "<s>", "</s>"})


@dataclass
class TextReport:
    """What the texts held."""

    lines: int = 0
    words: int = 0
    vocabulary: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # lines, by why the normalizer refuses them


def train_language_model(
    texts: Iterable[str],
    out: Path,
    normalizer: Normalizer,
    order: int = 4,
    prune: Sequence[int] = (),
    memory: str = "1G",
) -> TextReport:
    """Write KenLM's binary and its description; memory stays bounded, what does not fit is sorted on disk.

    Args:
        texts: lines; each is a sentence to the model.
        out: binary to write.
        normalizer: that of the recognizer; lines that it refuses are left out and counted.
        order: longest n-gram, 2 to 6.
        prune: n-grams that occur no more often than this are dropped, one number for each order from 1 on,
            never falling; the last one counts for what is longer. Nothing is dropped from unigrams.
        memory: most that sorting may take, as lmplz understands it: 1G, 40%.

    Raises:
        InputError: nothing is left of the texts, or lmplz refuses them or the options.
    """
    if not 2 <= order <= 6:
        raise InputError(f"the order of a language model must lie in 2..6, not {order}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lm.") as folder:
        plain, arpa = Path(folder) / "text", Path(folder) / "arpa"
        report = _write_normalized(texts, plain, normalizer)
        if not report.words:
            raise InputError("there is no text to train a language model on")
        # Few texts do not have the counts that Kneser-Ney's discounts are estimated from.
        options = ["--order", str(order), "--memory", memory, "--temp_prefix", folder, "--discount_fallback"]
        if prune:
            options += ["--prune", "0", *(str(count) for count in prune)]
        _call("lmplz", *options, "--text", str(plain), "--arpa", str(arpa))
        words = [word for word in unigrams(arpa) if word not in NO_WORDS]
        report.vocabulary = len(words)
        with atomic_write(out) as temporary:
            _call("build_binary", "probing", str(arpa), str(temporary))
        describe(out, Description(normalizer.name, order, words))
    return report


def unigrams(arpa: Path) -> Iterator[str]:
    """Give the unigrams of an ARPA file, in its order."""
    with arpa.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("\\1-grams:"):
                break
        for line in file:
            if not line.strip():
                return
            yield line.split("\t")[1]


def _write_normalized(texts: Iterable[str], path: Path, normalizer: Normalizer) -> TextReport:
    report = TextReport()
    with path.open("w", encoding="utf-8") as file:
        for text in texts:
            normalized = normalizer(text)
            if normalized.rejected:
                report.skipped[next(iter(normalized.rejected))] += 1
            elif normalized.text:
                file.write(normalized.text + "\n")
                report.lines += 1
                report.words += normalized.text.count(" ") + 1
    return report


def _call(tool: str, *arguments: str) -> None:
    command = [str(kenlm_tool(tool)), *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        reasons = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise InputError(f"{tool} failed: {reasons[-1] if reasons else done.returncode}")
