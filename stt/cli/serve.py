"""The command `stt serve`."""

from __future__ import annotations

import math
import os
import socket
import sys
from contextlib import suppress
from typing import Annotated

import typer

from stt.cli.decoder_options import Alpha, BeamWidth, Beta, Corrector, DecoderFile, HotWords, LanguageModel
from stt.cli.recognizing import Device, Model, Threads, Vad, build_transcriber
from stt.errors import InputError

TOKEN = "STT_TOKEN"  # environment variable
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOSTS = (*LOOPBACK, "[::1]")  # that a service of this machine answers to
STOP_SECONDS = 5  # for requests to finish after Ctrl-C

app = typer.Typer()


@app.command()
def serve(
    checkpoint: Model,
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0 for all of this machine's")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free", min=0, max=65535)] = 8000,
    max_megabytes: Annotated[float, typer.Option(help="largest upload", min=0.001)] = 25.0,
    max_minutes: Annotated[float, typer.Option(help="longest recording", min=0.001)] = 120.0,
    max_requests: Annotated[int, typer.Option(help="requests at once; more are told to come back", min=1)] = 64,
    timeout: Annotated[float, typer.Option(help="seconds for an upload, and for its transcription", min=0.001)] = 300.0,
    device: Device = None,
    threads: Threads = None,
    vad: Vad = False,
    decoder: DecoderFile = None,
    lm: LanguageModel = None,
    alpha: Alpha = None,
    beta: Beta = None,
    beam_width: BeamWidth = None,
    hot_word: HotWords = None,
    corrector: Corrector = None,
) -> None:
    """Transcribe over HTTP, as OpenAI's API does, with a page to try it; the environment's STT_TOKEN guards it."""
    import python_multipart  # noqa: F401  # FastAPI needs it, and would miss it with a traceback
    import uvicorn  # imported here to keep --help fast

    from stt.inference.serve.app import create_app
    from stt.inference.serve.limits import Limits

    # Batches are of any shape, and oneDNN keeps what it prepared for each: memory would grow (docs/serving.md).
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
    if not math.isfinite(max_megabytes + max_minutes + timeout):
        raise InputError("--max-megabytes, --max-minutes and --timeout must be finite")
    token = os.environ.get(TOKEN)
    if token == "":
        raise InputError(f"{TOKEN} is empty: set it to a token, or unset it to let everybody in")
    with _listen(host, port) as listener:
        given = (decoder, lm, alpha, beta, beam_width, hot_word, corrector)
        transcriber = build_transcriber(checkpoint, device, threads, vad, *given)
        limits = Limits(round(max_megabytes * 1e6), max_minutes * 60, max_requests, timeout)
        hosts = HOSTS if host in LOOPBACK else ["*"]
        service = create_app(transcriber, checkpoint.stem, limits, token, hosts)
        name = f"[{host}]" if ":" in host else host
        print(f"listening at http://{name}:{listener.getsockname()[1]}, Ctrl-C stops", flush=True)
        if token is None and host not in LOOPBACK:
            print(f"warning: {TOKEN} is not set, so whoever reaches {host} may use this", file=sys.stderr)
        config = uvicorn.Config(service, log_level="warning", timeout_graceful_shutdown=STOP_SECONDS)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when everything has ended
            uvicorn.Server(config).run([listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take a port before a model is loaded in vain; who connects meanwhile waits."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise InputError(f"--host {host} --port {port}: cannot listen there ({reason}): choose another") from error
