"""Train an n-gram language model: texts are normalized here, then counted and smoothed by KenLM's lmplz.

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
from stt.decoding.language_model import LanguageModelDescription, crc32, write_description
from stt.errors import InputError
from stt.files import atomic_write
from stt.text.normalize import Normalizer

SPECIAL_TOKENS = frozenset({"<unk>", "<s>", "</s>"})


@dataclass
class TextReport:
    """Statistics of the training texts."""

    lines: int = 0
    words: int = 0
    vocabulary: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # lines, by the reason why the normalizer rejects them


def train_language_model(
    texts: Iterable[str],
    out: Path,
    normalizer: Normalizer,
    order: int = 4,
    prune: Sequence[int] = (),
    memory: str = "1G",
) -> TextReport:
    """Train and write a KenLM binary and its description; memory is bounded, with sorting on disk.

    Args:
        texts: lines, each treated as a sentence.
        out: path of the binary.
        normalizer: the recognizer's; lines that it rejects are skipped and counted.
        order: longest n-gram, 2 to 6.
        prune: drop n-grams with counts up to this value, one non-decreasing value per order from bigrams on;
            the last applies to all longer n-grams. Unigrams are always kept.
        memory: memory limit for sorting, in the syntax of lmplz: 1G, 40%.

    Raises:
        InputError: no text remains after normalization, or lmplz rejects the texts or the options.
    """
    if not 2 <= order <= 6:
        raise InputError(f"the order of a language model must be in 2..6, not {order}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lm.") as folder:
        plain, arpa = Path(folder) / "text", Path(folder) / "arpa"
        report = _write_normalized(texts, plain, normalizer)
        if not report.words:
            raise InputError("no text to train a language model on")
        # Small corpora lack the counts that Kneser-Ney discounts are estimated from.
        options = ["--order", str(order), "--memory", memory, "--temp_prefix", folder, "--discount_fallback"]
        if prune:
            options += ["--prune", "0", *(str(count) for count in prune)]
        _call("lmplz", *options, "--text", str(plain), "--arpa", str(arpa))
        words = [word for word in unigrams(arpa) if word not in SPECIAL_TOKENS]
        report.vocabulary = len(words)
        with atomic_write(out) as temporary:
            _call("build_binary", "probing", str(arpa), str(temporary))
        write_description(out, LanguageModelDescription(normalizer.name, order, words, crc32(out)))
    return report


def unigrams(arpa: Path) -> Iterator[str]:
    """Yield the unigrams of an ARPA file in order."""
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
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        reasons = [line for line in result.stderr.strip().splitlines() if line.strip()]
        raise InputError(f"{tool} failed: {reasons[-1] if reasons else result.returncode}")
