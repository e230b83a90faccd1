"""The live feed's addresses: the page and its stream."""

from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views import View
from django.views.generic import TemplateView

from cdc.errors import CdcError, Rejected
from cdc.feed import page, process
from cdc.feed.audience import Audience, AudienceOf, nobody
from cdc.feed.filter import Filter
from cdc.feed.position import FeedPosition
from cdc.feed.stream import Parts, Reader, Standing
from cdc.wire.event import Operation

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # A proxy that compresses or collects an answer would keep its changes back.
    "Content-Encoding": "identity",
    "X-Accel-Buffering": "no",
}
_WORDS = {
    Operation.CREATE: "Created",
    Operation.UPDATE: "Updated",
    Operation.DELETE: "Deleted",
    Operation.READ: "Sent again",
}


class FeedStream(View):
    """Each change as it happens, as server-sent events."""

    http_method_names = ["get"]
    audience_of: AudienceOf = staticmethod(nobody)

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with a stream that ends by itself only when the reader may read no more."""
        audience = self.audience_of(await request.auser())
        if audience is None:
            return _refusal(403, "You may not read the feed.")
        if not isinstance(request, ASGIRequest):
            return _refusal(501, "The feed needs an ASGI server, such as uvicorn.")
        if process.hub().full:
            return _refusal(503, "Too many people read the feed: come again in a moment.")
        try:
            after = request.headers.get("Last-Event-ID") or request.GET.get("after")
            at = FeedPosition.parse(after) if after else None
        except Rejected as error:
            return _refusal(400, str(error))
        wanted = Filter.parse(request.GET, audience)
        reader = Reader(process.hub(), process.catch_up(), audience, wanted, at)
        return StreamingHttpResponse(self._parts(reader, request, audience), headers=_HEADERS)

    async def _parts(self, reader: Reader, request: HttpRequest, audience: Audience) -> Parts:
        session = request.session
        audience_of = self.audience_of

        async def ask() -> Standing:
            return await sync_to_async(_standing)(session, audience_of, audience)

        # The request's own thread had one to see who asks; a stream holds none.
        await sync_to_async(connections.close_all)()
        parts = reader.stream(ask)
        try:
            async for part in parts:
                yield part
        finally:
            await parts.aclose()


class FeedPage(UserPassesTestMixin, TemplateView):
    """The last changes, and by script each one as it happens; or those of a time gone by."""

    template_name = "feed/feed.html"
    audience_of: AudienceOf = staticmethod(nobody)

    def test_func(self) -> bool:
        """Return whether the reader sees anything of the feed."""
        return self.audience_of(self.request.user) is not None

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the changes and the filter."""
        audience = self.audience_of(self.request.user) or Audience.OVERSEERS
        query = self.request.GET
        wanted = Filter.parse(query, audience)
        try:
            view = page.view(page.Asked.parse(query), wanted, audience)
        except Rejected as error:
            view = page.View(problem=str(error))
        return super().get_context_data(
            **context,
            feed=view,
            wanted=wanted,
            query=wanted.query(),
            sees_people=audience.sees_people,
            operations=[(op.value, word, op in wanted.ops) for op, word in _WORDS.items()],
            asked={name: query.get(name, "") for name in ("time", "partition", "offset")},
        )


class FeedChange(UserPassesTestMixin, View):
    """One change as JSON, all of it that the reader may see."""

    http_method_names = ["get"]
    audience_of: AudienceOf = staticmethod(nobody)

    def test_func(self) -> bool:
        """Return whether the reader sees anything of the feed."""
        return self.audience_of(self.request.user) is not None

    def get(self, request: HttpRequest, partition: int, offset: int) -> HttpResponse:
        """Return it from the topic, else from the history."""
        audience = self.audience_of(request.user) or Audience.OVERSEERS
        try:
            found = page.whole(partition, offset, audience)
        except CdcError as error:
            return _refusal(503, str(error))
        if found is None:
            return _refusal(404, "Neither the topic nor the history holds this change.")
        return HttpResponse(
            orjson.dumps(found, option=orjson.OPT_INDENT_2), content_type="application/json"
        )


def _standing(session: SessionBase, audience_of: AudienceOf, audience: Audience) -> Standing:
    """Return what the reader may now, by a fresh look at session and account."""
    asked = HttpRequest()
    asked.session = type(session)(session.session_key)
    try:
        same = audience_of(get_user(asked)) is audience
    except Error:
        return Standing.UNKNOWN
    finally:
        connections.close_all()
    return Standing.MAY if same else Standing.MAY_NOT


def _refusal(status: int, why: str) -> HttpResponse:
    return HttpResponse(f"{why}\n", status=status, content_type="text/plain; charset=utf-8")
