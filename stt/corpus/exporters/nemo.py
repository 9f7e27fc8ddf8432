"""Export a NeMo manifest."""

from __future__ import annotations

from stt.audio.source import relative_address
from stt.corpus.export import Abilities, Export, json_line


def export(corpus: Export) -> None:
    """Write `manifest.jsonl` with `audio_filepath`, `text`, `duration`, `offset`, and all other columns.

    `stt corpus import nemo OUT/manifest.jsonl --domain '{domain}'` reads it back.
    """
    corpus.reserve("audio_filepath")
    with corpus.open("manifest.jsonl") as file:
        for utterance in corpus.utterances(Abilities(offsets=True, refers=lambda address: True)):
            known = {
                "audio_filepath": relative_address(utterance.audio, corpus.final),
                "text": utterance.text,
                "duration": utterance.duration,
                "offset": utterance.offset,
                "id": utterance.id,
                "domain": utterance.domain,
                "speaker": utterance.speaker,
                "cer": utterance.cer,
            }
            file.write(json_line({**utterance.extra, **known}))
