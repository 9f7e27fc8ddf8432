"""The service: OpenAI's `POST /v1/audio/transcriptions` in front of a transcriber, and a page that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from stt.errors import InputError
from stt.inference.serve.answers import Transcription, brief, verbose
from stt.inference.serve.batcher import Batcher, Result
from stt.inference.serve.limits import Gate, Limits, failure
from stt.inference.serve.uploads import TooLongError, Upload, recording
from stt.recognition.formats import render
from stt.recognition.transcriber import Transcriber

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "media-src blob:; img-src data:"
)
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "what is wrong, as {error: {message, type, param, code}}"}
}


def create_app(
    transcriber: Transcriber, model: str, limits: Limits, token: str | None = None, hosts: Sequence[str] = ("*",)
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        transcriber: recognizes what is uploaded; the application owns it.
        model: its name; requests may give any.
        limits: of each request.
        token: what requests must bear; None: nothing.
        hosts: names by which it may be called: pages of others must not reach it by names that lead here.
    """
    batcher = Batcher(transcriber)
    recognizer = transcriber.recognizer
    served = {"id": model, "object": "model", "created": 0, "owned_by": "stt"}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher:
            yield

    # Without FastAPI's own pages, which load scripts from elsewhere.
    app = FastAPI(title="stt", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Gate, limits=limits, token=token)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(StarletteHTTPException, _http_failure)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)

    @app.get("/", response_class=HTMLResponse)
    def page() -> HTMLResponse:
        """Return a page that transcribes files and what a microphone records."""
        content = files(__package__).joinpath("page.html").read_text("utf-8")
        return HTMLResponse(content, headers={"Content-Security-Policy": POLICY})

    @app.get("/health")
    def health() -> dict[str, str]:
        """Tell that the service runs."""
        return {"status": "ok"}

    @app.get("/v1/models", responses=ERRORS)
    def models() -> dict[str, Any]:
        """List the one model."""
        return {"object": "list", "data": [served]}

    @app.get("/v1/models/{name}", responses=ERRORS)
    def one_model(name: str) -> dict[str, Any]:
        """Return the one model by its name."""
        if name != model:
            raise HTTPException(404, f"{name}: no such model; there is {model}")
        return served

    @app.post(
        "/v1/audio/transcriptions",
        response_model=Transcription,
        response_model_exclude_none=True,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **ERRORS},
    )
    async def transcribe(
        request: Request,
        file: UploadFile,
        model: Annotated[str, Form(description="any: there is one")],
        language: Annotated[str | None, Form(description="returned as it is: the model has its own")] = None,
        prompt: Annotated[str | None, Form(description="without effect")] = None,
        response_format: Annotated[Literal["json", "text", "srt", "vtt", "verbose_json"], Form()] = "json",
        temperature: Annotated[float, Form(ge=0, le=1, description="without effect: nothing is sampled")] = 0.0,
        granularities: Annotated[
            list[Literal["word", "segment"]] | None, Form(alias="timestamp_granularities[]")
        ] = None,
        stream: Annotated[bool, Form(description="only false")] = False,
    ) -> Transcription | Response:
        """Transcribe a file in any format that libsndfile or FFmpeg reads."""
        if stream:
            raise HTTPException(400, "stream: answers come as a whole; leave it out")
        upload = Upload(file.filename or "the file", file=file.file)
        work = asyncio.create_task(batcher.transcribe(recording(upload, limits.audio_seconds)))
        result = await _finish(work, request, limits.seconds)
        if isinstance(result, InputError):
            raise HTTPException(413 if isinstance(result, TooLongError) else 400, str(result))
        if response_format == "json":
            return brief(result)
        if response_format == "verbose_json":
            return verbose(result, recognizer.tokenizer, language, granularities or ["segment"])
        return PlainTextResponse(render(result, response_format, upload.address, recognizer.normalizer.name))

    return app


async def _finish(work: asyncio.Task[Result], request: Request, seconds: float) -> Result:
    """Wait for a transcription as long as it may last and the client waits as well."""
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise HTTPException(408, f"transcribing took more than {seconds:g} s")
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.wait({work, gone})


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _http_failure(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return failure(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    parameter = str(first["loc"][1] if len(first["loc"]) > 1 else first["loc"][0])
    return failure(HTTPException(400, f"{parameter}: {first['msg']}"), parameter)


async def _broken(_: Request, error: Exception) -> Response:
    return failure(HTTPException(500, f"the service failed ({type(error).__name__})"))
