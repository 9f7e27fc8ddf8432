import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import stt
from stt.errors import InputError
from stt.inference.serve.batcher import SHARE_SECONDS, Batcher
from stt.recognition.recording import Recording
from stt.recognition.transcriber import BATCH_SECONDS
from stt.recognition.transcript import Transcript
from stt.recognition.windows import Window
from tests.conftest import RATE, spoken_in_tones

TEXTS = ["ab cad e", "dab", "e", "bad cab", "ace", "dc ba"]


def recording(text: str, name: str = "") -> Recording:
    return Recording(name or text, lambda _: iter([spoken_in_tones(text)]))


@pytest.fixture
def batches(transcriber: stt.Transcriber, monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, float]]]:
    """What the network is given: the name and the seconds of each part, batch by batch."""
    given: list[list[tuple[str, float]]] = []
    compute = transcriber.outputs

    def outputs(parts: Sequence[Any]) -> Any:
        seconds = [len(part.samples) / RATE if isinstance(part, Window) else 0.0 for _, part in parts]
        given.append([(name, length) for (name, _), length in zip(parts, seconds, strict=True)])
        return compute(parts)

    monkeypatch.setattr(transcriber, "outputs", outputs)
    return given


def test_requests_that_wait_share_batches_and_each_gets_its_text(
    transcriber: stt.Transcriber, batches: list[list[tuple[str, float]]]
) -> None:
    async def serve() -> list[Any]:
        async with Batcher(transcriber) as batcher:
            return await asyncio.gather(*(batcher.transcribe(recording(text)) for text in TEXTS * 10))

    assert [result.text for result in asyncio.run(serve())] == TEXTS * 10
    assert len(batches) < len(TEXTS) * 10
    assert max(len(batch) for batch in batches) > 2


def test_a_short_recording_waits_for_no_more_than_a_share_of_each_long_one(
    transcriber: stt.Transcriber, batches: list[list[tuple[str, float]]]
) -> None:
    text = "ab cad e dab " * 60  # three minutes
    [alone] = transcriber.transcribe_all([spoken_in_tones(text)])
    batches.clear()

    async def serve() -> list[Any]:
        async with Batcher(transcriber) as batcher:
            longs = [asyncio.create_task(batcher.transcribe(recording(text, f"long {i}"))) for i in range(3)]
            while len(batches) < 4:
                await asyncio.sleep(0.005)
            before = len(batches)
            assert (await batcher.transcribe(recording("cad", "short"))).text == "cad"
            [turn] = [i for i, batch in enumerate(batches) if any(name == "short" for name, _ in batch)]
            assert turn <= before + 3
            return await asyncio.gather(*longs)

    assert isinstance(alone, Transcript)
    assert [result.text for result in asyncio.run(serve())] == [alone.text] * 3
    window = transcriber.window_seconds * 2
    for batch in batches:
        assert sum(seconds for _, seconds in batch) <= BATCH_SECONDS + SHARE_SECONDS + window


def test_what_cannot_be_read_concerns_its_request_alone(transcriber: stt.Transcriber) -> None:
    def damaged(_: int) -> Any:
        yield spoken_in_tones("ab " * 20)
        raise InputError("damaged")

    async def serve() -> list[Any]:
        async with Batcher(transcriber) as batcher:
            return await asyncio.gather(
                batcher.transcribe(Recording("bad", damaged)), batcher.transcribe(recording("cad"))
            )

    bad, good = asyncio.run(serve())
    assert str(bad) == "damaged"
    assert good.text == "cad"


def test_what_is_cancelled_is_closed_and_the_others_go_on(transcriber: stt.Transcriber) -> None:
    closed = []

    def endless(_: int) -> Any:
        try:
            while True:
                yield spoken_in_tones("ab " * 20)
        finally:
            closed.append(True)

    async def serve() -> Any:
        async with Batcher(transcriber) as batcher:
            task = asyncio.create_task(batcher.transcribe(Recording("endless", endless)))
            assert (await batcher.transcribe(recording("cad"))).text == "cad"
            task.cancel()
            await asyncio.wait([task])
            assert closed == [True]
            return await batcher.transcribe(recording("dab"))

    assert asyncio.run(serve()).text == "dab"
