"""What a request may cost: its token, its size, its time and the number of others are checked while it arrives."""

from __future__ import annotations

import asyncio
import hmac
import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CODES = {401: "invalid_api_key", 408: "timeout", 413: "too_large", 429: "rate_limit_exceeded"}
API = "/v1/"  # what needs a token
LINGER_SECONDS = 10.0  # for the rest of a refused upload: a client that is still sending does not see the answer


@dataclass(frozen=True)
class Limits:
    """Limits of a request, and of their number."""

    upload_bytes: int = 25_000_000
    audio_seconds: float = 7200.0
    requests: int = 64  # at once
    seconds: float = 300.0  # for uploading, and again for transcribing


def failure(error: HTTPException, parameter: str | None = None) -> Response:
    """Return an error as OpenAI words it."""
    kind = "server_error" if error.status_code >= 500 else "invalid_request_error"
    content = {"message": error.detail, "type": kind, "param": parameter, "code": CODES.get(error.status_code)}
    # Escaped, because the name of a file in the message may be no valid UTF-8.
    return Response(json.dumps({"error": content}), error.status_code, error.headers, "application/json")


class Gate:
    """ASGI middleware that lets through what the limits and the token allow."""

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None) -> None:
        """Guard an application; without a token, everybody may use it."""
        self._app, self._limits, self._token = app, limits, token
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        refused = self._refusal(Headers(scope=scope))
        with ExitStack() as place:
            if not refused:
                self._active += 1
                place.callback(self._leave)
            upload = _Upload(receive, send, self._limits, place)
            await (failure(refused) if refused else self._app)(scope, upload.receive, upload.send)

    def _leave(self) -> None:
        self._active -= 1

    def _refusal(self, headers: Headers) -> HTTPException | None:
        given = headers.get("authorization", "").encode("latin-1")
        if self._token is not None and not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return HTTPException(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})
        if self._active >= self._limits.requests:
            return HTTPException(429, "too many requests at once: try again later", {"Retry-After": "1"})
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._limits.upload_bytes:
            return too_large(self._limits)
        return None


def too_large(limits: Limits) -> HTTPException:
    """Return the error for an upload that is too large."""
    return HTTPException(413, f"the upload has more than {limits.upload_bytes / 1e6:g} MB")


class _Upload:
    """The body of a request, of limited size and time; an early answer waits for its rest."""

    def __init__(self, receive: Receive, send: Send, limits: Limits, place: ExitStack) -> None:
        self._place = place
        self._receive, self._send, self._limits = receive, send, limits
        self._deadline = asyncio.get_running_loop().time() + limits.seconds
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"the upload took more than {self._limits.seconds:g} s") from None
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self._limits.upload_bytes:
            raise too_large(self._limits)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            if not self._complete:
                await self._send({**message, "more_body": True})
                await self._discard()
                message = {"type": "http.response.body"}
            self._place.close()  # before the client knows, and sends the next
        await self._send(message)

    async def _discard(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                discarded = 0
                while not self._complete and discarded <= self._limits.upload_bytes:
                    message = await self._receive()
                    discarded += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)
