"""The API's routes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lilm.demo.api.answers import Form
from lilm.demo.api.errors import ApiError, error_body, error_response
from lilm.demo.api.requests import Wanted, parse
from lilm.demo.api.turns import ClientGone, OneModel, until_gone
from lilm.demo.hosts import names_of
from lilm.demo.middleware import OursOnly
from lilm.errors import LilmError
from lilm.llamacpp.answers import Outcome
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

MAX_BYTES = 8 * 2**20  # of a request; the longest context has less text
CLOSED = 499  # nginx's number for a caller who is gone; nobody reads it


def api_app(engine: ChatEngine, sampling: SamplingConfig, host: str) -> Starlette:
    """engine: writes every answer. sampling: of requests that do not say. host: the address that it is served at."""
    model, name = OneModel(engine), engine.model.stem
    card = {"id": name, "object": "model", "created": int(engine.model.stat().st_mtime), "owned_by": "local"}

    async def write(request: Request, chat: bool) -> Response:
        wanted = parse(await _body(request), chat, sampling, engine.n_ctx)
        form = Form(name, chat)
        try:
            if wanted.stream:
                return await _stream(request, model, wanted, form)
            return await until_gone(request.receive, _whole(model, wanted, form))
        except ClientGone:
            return Response(status_code=CLOSED)

    async def chats(request: Request) -> Response:
        return await write(request, chat=True)

    async def completions(request: Request) -> Response:
        return await write(request, chat=False)

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [card]})

    async def one_model(request: Request) -> Response:
        if request.path_params["name"] != name:
            raise ApiError(f"there is no such model, but {name}", "model", HTTPStatus.NOT_FOUND)
        return JSONResponse(card)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    foreign = ApiError("this server answers to its own names alone", status=HTTPStatus.MISDIRECTED_REQUEST)
    refusal = JSONResponse(error_body(foreign), foreign.status)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", chats, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", one_model),
            Route("/health", health),
        ],
        middleware=[Middleware(OursOnly, names=names_of(host), refusal=refusal)],
        exception_handlers=dict.fromkeys((ApiError, LilmError, HTTPException, Exception), error_response),
    )


async def _whole(model: OneModel, wanted: Wanted, form: Form) -> Response:
    text = ""
    async with aclosing(model.answer(wanted.asked, wanted.order)) as pieces:
        async for one in pieces:
            if isinstance(one, Outcome):
                return JSONResponse(form.whole(text, one))
            text += one
    raise RuntimeError("the answer has no end")


async def _stream(request: Request, model: OneModel, wanted: Wanted, form: Form) -> Response:
    """The first piece is waited for: what cannot be answered has a status of its own."""
    pieces = model.answer(wanted.asked, wanted.order)

    async def first() -> str | Outcome:
        return await anext(pieces)

    begun = await until_gone(request.receive, first())
    return EventStream(form.events(begun, pieces, wanted.usage), pieces)


class EventStream(Response):
    """Server-sent events until they or the caller are at an end. source: closed then, also when no event was asked for,
    so that the model is free."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], source: AsyncGenerator[str | Outcome, None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._events, self._source = events, source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write() -> None:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for event in self._events:
                await send({"type": "http.response.body", "body": event.encode(errors="replace"), "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        async with aclosing(self._source), aclosing(self._events):
            with suppress(ClientGone):
                await until_gone(receive, write())


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise ApiError(f"a request has at most {MAX_BYTES:,} bytes", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return body
