import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from httpx2 import Response

import stt
from stt.cli.serve import HOSTS
from stt.inference.serve.answers import verbose
from stt.inference.serve.app import create_app
from stt.inference.serve.limits import Limits
from stt.recognition.formats import render, segments
from stt.recognition.transcript import Transcript
from tests.conftest import RATE, spoken_in_tones
from tests.inference.serve.conftest import flac

PATH = "/v1/audio/transcriptions"
TEXT = "ab cad e"


def post(client: TestClient, content: bytes | None = None, name: str = "a.flac", **fields: Any) -> Response:
    files = {"file": (name, flac(TEXT) if content is None else content)}
    return client.post(PATH, files=files, data={"model": "tones", **fields})


def fails(response: Response, status: int) -> str:
    """Check that an answer is an error as OpenAI words it; return its message."""
    assert response.status_code == status, response.text
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    return str(response.json()["error"]["message"])


@pytest.fixture
def transcript(transcriber: stt.Transcriber) -> Transcript:
    return transcriber.recognizer.transcribe(soundfile.read(io.BytesIO(flac(TEXT)), dtype="float32")[0], RATE)


def test_json_has_the_text_and_the_duration(client: TestClient, transcript: Transcript) -> None:
    assert transcript.text == TEXT
    assert post(client).json() == {"text": TEXT, "usage": {"type": "duration", "seconds": 2}}


@pytest.mark.parametrize("file_format", ["text", "srt", "vtt"])
def test_texts_are_those_of_the_command_line(client: TestClient, transcript: Transcript, file_format: str) -> None:
    response = post(client, response_format=file_format)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == render(transcript, file_format, "a.flac", "plain-1")


def test_verbose_json_has_all_fields_of_the_schema(client: TestClient, transcript: Transcript) -> None:
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"], "language": "en"}
    answer = post(client, **fields).json()
    names = ("text", "language", "task", "usage")
    assert [answer[name] for name in names] == [TEXT, "en", "transcribe", {"type": "duration", "seconds": 2}]
    assert answer["duration"] == pytest.approx(transcript.duration, abs=1e-3)
    for given, word in zip(answer["words"], transcript.words, strict=True):
        assert given["word"] == word.text
        assert [given["start"], given["end"]] == pytest.approx([word.start, word.end], abs=1e-3)
    for given, segment in zip(answer["segments"], segments(transcript.words), strict=True):
        assert (given["text"], given["start"], given["end"]) == (segment.text, segment.start, segment.end)
        assert np.exp(given["avg_logprob"]) == pytest.approx(transcript.confidence, abs=0.05)
        assert given["tokens"]
        assert set(given) == {
            *("id", "seek", "start", "end", "text", "tokens", "temperature"),
            *("avg_logprob", "compression_ratio", "no_speech_prob"),
        }


def test_segments_are_the_default_and_words_are_on_request(client: TestClient) -> None:
    assert "words" not in post(client, response_format="verbose_json").json()
    only = post(client, response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json()
    assert "segments" not in only
    assert len(only["words"]) == 3
    assert post(client, response_format="verbose_json").json()["language"] == "und"


def test_silence_is_an_empty_text(client: TestClient) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(RATE), RATE, format="WAV")
    assert post(client, content.getvalue()).json()["text"] == ""
    answer = post(client, content.getvalue(), response_format="verbose_json").json()
    assert (answer["text"], answer["segments"]) == ("", [])


@pytest.mark.parametrize("seconds", [3, 100])  # in memory, and in a file
def test_a_file_of_any_size_is_transcribed_as_it_is_elsewhere(
    client: TestClient, transcriber: stt.Transcriber, seconds: int
) -> None:
    text = "ab cad e " * (seconds // 2)
    content = io.BytesIO()
    soundfile.write(content, spoken_in_tones(text), RATE, format="WAV", subtype="FLOAT")
    waveform = spoken_in_tones(text)
    assert (len(content.getvalue()) > 1 << 20) == (seconds == 100)
    assert post(client, content.getvalue()).json()["text"] == transcriber.recognizer.transcribe(waveform, RATE).text


def loud() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.full(RATE, 3e38, np.float32), RATE, format="WAV", subtype="FLOAT")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.flac"),
        (b"nothing", "a.flac"),
        (bytes(range(256)) * 100, "a.flac"),
        (flac(TEXT)[:-200], "a.flac"),
        (flac(TEXT)[:30], "a.flac"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "a.flac"),
        (b"\x1aE\xdf\xa3" + bytes(50), "a.flac"),
        (b"\0\0\0\x20ftypM4A " + bytes(50), "a.flac"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "a.flac"),
    ],
)
def test_what_is_not_audio_is_named(client: TestClient, content: bytes, message: str) -> None:
    said = fails(post(client, content), 400)
    assert message in said
    assert "/proc" not in said


def test_audio_that_overflows_is_an_answer_or_an_error_but_no_failure(client: TestClient) -> None:
    assert post(client, loud()).status_code in (200, 400)


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "2"}, "temperature"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities[]"),
        ({"stream": "maybe"}, "stream"),
    ],
)
def test_a_wrong_parameter_is_named(client: TestClient, fields: dict[str, str], parameter: str) -> None:
    response = post(client, **fields)
    assert parameter in fails(response, 400)
    assert response.json()["error"]["param"] == parameter


def test_streaming_is_refused(client: TestClient) -> None:
    assert "stream" in fails(post(client, stream="true"), 400)


def test_requests_of_a_wrong_type_are_refused(client: TestClient) -> None:
    fails(client.post(PATH, json={"file": "a", "model": "tones"}), 400)
    fails(client.post(PATH, data={"file": "a", "model": "tones"}), 400)
    fails(client.post(PATH, files={"file": b""}), 400)  # no model
    fails(client.post(PATH, files={"model": flac(TEXT), "file": flac(TEXT)}), 400)
    fails(client.post(PATH, content=b"--x\r\nbroken", headers={"content-type": "multipart/form-data; boundary=x"}), 400)
    fails(client.post(PATH, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
    fails(client.get(PATH), 405)
    fails(client.get("/v1/nothing"), 404)


def test_a_name_that_is_no_text_is_no_failure(client: TestClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\\ud800\\n"\r\n\r\nnoise\r\n'
    body += b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x; charset=unicode_escape"
    fails(client.post(PATH, content=body, headers={"content-type": kind}), 400)


def test_too_much_is_refused(transcriber: stt.Transcriber) -> None:
    limits = Limits(upload_bytes=200_000, audio_seconds=10.0)
    with TestClient(create_app(transcriber, "tones", limits)) as client:
        assert post(client, flac("a" * 40)).status_code == 200  # 8.4 s
        assert "longer than 10 s" in fails(post(client, flac("a" * 60)), 413)
        assert "more than 0.2 MB" in fails(post(client, bytes(300_000)), 413)


def test_a_token_guards_the_api(transcriber: stt.Transcriber) -> None:
    with TestClient(create_app(transcriber, "tones", Limits(), token="sécret")) as client:
        for given in (None, "", "sécret", "Bearer ", "Bearer wrong", "Bearer sécret1"):
            headers = {} if given is None else {"Authorization": given.encode()}
            assert "token" in fails(client.get("/v1/models", headers=headers), 401)
        assert fails(post(client), 401)
        right = {"Authorization": "Bearer sécret".encode()}
        assert client.get("/v1/models", headers=right).json()["data"][0]["id"] == "tones"
        answer = client.post(PATH, files={"file": flac(TEXT)}, data={"model": "tones"}, headers=right)
        assert answer.json()["text"] == TEXT
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/").status_code == 200


def test_the_model_is_found_by_the_name_in_the_list_and_no_other(client: TestClient) -> None:
    [listed] = client.get("/v1/models").json()["data"]
    assert client.get(f"/v1/models/{listed['id']}").json() == listed
    assert "whisper-1: no such model" in fails(client.get("/v1/models/whisper-1"), 404)


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    response = client.get("/")
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|https?://(?! or)|@import|url\(""", response.text)
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_failure_of_the_network_is_an_answer_and_the_next_request_succeeds(
    client: TestClient, transcriber: stt.Transcriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(transcriber, "outputs", fail)
        response = post(client)
        assert response.status_code == 500
        assert json.loads(response.text)["error"]["type"] == "server_error"
    assert post(client).json()["text"] == TEXT


def test_a_segment_does_not_end_after_the_recording(client: TestClient) -> None:
    answer = post(client, response_format="verbose_json").json()
    assert answer["segments"][-1]["end"] <= answer["duration"]


def test_a_text_with_more_than_the_tokenizer_has_is_answered_without_tokens(
    transcript: Transcript, transcriber: stt.Transcriber
) -> None:
    words = [replace(word, text=word.text.title() + ",") for word in transcript.words]
    written = replace(transcript, words=words, text=" ".join(word.text for word in words))
    tokenizer = transcriber.recognizer.tokenizer
    answer = verbose(written, tokenizer, None, ["segment"])
    assert [(one.text, one.tokens) for one in answer.segments or []] == [(written.text, [])]
    assert (verbose(transcript, tokenizer, None, ["segment"]).segments or [])[0].tokens == tokenizer.encode(TEXT)


@pytest.mark.parametrize("name", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_a_service_of_this_machine_answers_to_its_own_names_only(transcriber: stt.Transcriber, name: str) -> None:
    service = create_app(transcriber, "tones", Limits(), hosts=HOSTS)
    with TestClient(service, base_url="http://evil.example") as stranger:
        assert stranger.get("/health").status_code == 400
    with TestClient(service) as known:
        assert known.get("/health", headers={"host": name}).status_code == 200
