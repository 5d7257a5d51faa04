"""What the page's server and the chat do with every request, as ASGI middleware."""

from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lilm.demo.hosts import is_for_us

MISDIRECTED = PlainTextResponse("421 Misdirected Request\n", status_code=421)


class OursOnly:
    """Answers 421, or `refusal`, to what was meant for a server of other names; see `lilm.demo.hosts`."""

    def __init__(self, app: ASGIApp, names: Collection[str], refusal: ASGIApp = MISDIRECTED) -> None:
        self.app, self.names, self.refusal = app, names, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not is_for_us(headers.get("host"), headers.get("origin"), self.names):
                answer = self.refusal
        await answer(scope, receive, send)


class WithHeaders:
    """Sends `fields` with every answer."""

    def __init__(self, app: ASGIApp, fields: Mapping[str, str]) -> None:
        self.app, self.fields = app, fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.fields)
            await send(message)

        await self.app(scope, receive, send_with_fields)
