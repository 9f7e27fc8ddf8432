from pathlib import Path

import noisy_digits
import numpy as np
import pytest

from stt.corpus.manifest import read_manifest


def test_the_training_labels_of_every_domain_are_exchanged_and_no_others(
    real_speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noisy_digits, "STRINGS", {"train": 10, "validate": 2, "test": 2})
    clean, shuffled = (noisy_digits.make_corpus(real_speech, tmp_path, name) for name in ("clean", "shuffled_25"))
    wrong = np.load(shuffled / "wrong.npy")
    correct, exchanged = (read_manifest(corpus / "train.parquet") for corpus in (clean, shuffled))
    assert len(correct) == len(noisy_digits.DOMAINS) * 6 * 10
    assert wrong.sum() == len(wrong) / 4
    assert [correct.text(row) != exchanged.text(row) for row in range(len(wrong))] == wrong.tolist()
    assert not np.load(clean / "wrong.npy").any()
    for split in ("validate", "test"):
        texts = [
            [part.text(row) for row in range(len(part))]
            for part in (read_manifest(c / f"{split}.parquet") for c in (clean, shuffled))
        ]
        assert texts[0] == texts[1]
