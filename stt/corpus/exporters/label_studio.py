"""Export tasks for Label Studio, where a person keeps, mends or rejects utterances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stt.corpus.export import Abilities, Export, Utterance
from stt.errors import InputError

UTTERANCE = "utterance"  # what the id is called in a task, because JSON_MIN has the task's own in `id`
DECISION, MENDED = "decision", "mended"  # names of the controls
KEEP, REJECT = "keep", "reject"
ABOUT = "about"
# Fields of a task that are not columns; the last are what JSON_MIN, an export of Label Studio, writes beside them.
OWN = (
    *(UTTERANCE, ABOUT, DECISION, MENDED),
    *("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"),
)
# Played by browsers in all variants; of WAV they know few, so it becomes FLAC, without a loss if it has 16 bits.
PLAYABLE = frozenset({".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".webm"})
INTERFACE = f"""<View>
  <Header value="${ABOUT}" size="5"/>
  <Audio name="audio" value="$audio" hotkey="ctrl+enter"/>
  <Header value="Text" size="5"/>
  <Text name="text" value="$text"/>
  <Header value="Recognized" size="5"/>
  <Text name="hypothesis" value="$hypothesis"/>
  <Choices name="{DECISION}" toName="audio" choice="single-radio" showInline="true" required="true">
    <Choice value="{KEEP}" hotkey="1"/>
    <Choice value="{REJECT}" hotkey="2"/>
  </Choices>
  <Header value="What is said, if it is kept and the text is wrong" size="5"/>
  <TextArea name="{MENDED}" toName="audio" rows="2" editable="true" maxSubmissions="1"/>
</View>
"""


def export(corpus: Export, *, audio_url: str = "http://localhost:8081/") -> None:
    """Write `tasks.json`, `labelling.xml` and the audio for Label Studio, to have utterances kept, mended or rejected.

    Its users' browsers load the audio over HTTP: the folder OUT must be served under the address --audio-url, to pages
    of Label Studio too (docs/reviewing.md). `stt corpus decide` reads what they decide. Of a manifest of rejected
    utterances, the hypothesis is a second prediction, and what they were rejected for is shown.

    Args:
        corpus: the manifest.
        audio_url: what is before the path of audio in OUT.
    """
    corpus.reserve(*OWN)
    prefix = audio_url if audio_url.endswith(("/", "=")) else f"{audio_url}/"
    with corpus.open("labelling.xml") as file:
        file.write(INTERFACE)
    separator = "[\n"
    with corpus.open("tasks.json") as file:
        for utterance in corpus.utterances(Abilities(own_audio=True, formats=PLAYABLE, skips_unreadable=True)):
            name = Path(utterance.audio).relative_to(corpus.final).as_posix()
            file.write(separator + json.dumps(_task(utterance, prefix + name), ensure_ascii=False))
            separator = ",\n"
        if separator == "[\n":
            raise InputError(f"{corpus.manifest.path}: the audio of no utterance can be read")
        file.write("\n]\n")


def _task(utterance: Utterance, url: str) -> dict[str, Any]:
    hypothesis = str(utterance.extra.get("hypothesis", ""))
    given = {"speaker": utterance.speaker, "cer": utterance.cer}
    data = {
        **{name: cell for name, cell in utterance.extra.items() if name not in OWN},
        **{name: cell for name, cell in given.items() if cell is not None},
        "audio": url,
        UTTERANCE: utterance.id,
        "text": utterance.text,
        "hypothesis": hypothesis,
        "domain": utterance.domain,
        "duration": utterance.duration,
        ABOUT: _about(utterance),
    }
    texts = {"text": utterance.text, "hypothesis": hypothesis}
    if hypothesis in ("", utterance.text):
        del texts["hypothesis"]
    elif not utterance.text:  # what is recognized is a better start than nothing
        del texts["text"]
    return {"data": data, "predictions": [_prediction(name, text, utterance.cer) for name, text in texts.items()]}


def _about(utterance: Utterance) -> str:
    """Return one line on the utterance: domain, length, and what it was rejected for."""
    parts = [utterance.domain, f"{utterance.duration:.1f} s"]
    rule, figure, limit = (utterance.extra.get(name) for name in ("rule", "figure", "limit"))
    if rule is not None:
        measured = f" {figure:.4g}" if isinstance(figure, float) else ""
        allowed = f" (limit {limit:.4g})" if isinstance(limit, float) else ""
        parts.append(f"{rule}{measured}{allowed}")
    return ", ".join(parts)


def _prediction(name: str, text: str, cer: float | None) -> dict[str, Any]:
    """Return a prediction that fills in the text; its score is how far text and hypothesis agree."""
    value = {"id": name, "from_name": MENDED, "to_name": "audio", "type": "textarea", "value": {"text": [text]}}
    score = {} if cer is None else {"score": 1.0 - cer}
    return {"model_version": name, **score, "result": [value]}
