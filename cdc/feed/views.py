"""The live feed's views: the page, its stream, and a change's details."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import UserPassesTestMixin
from django.core.exceptions import ValidationError
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views import View
from django.views.generic import TemplateView

from cdc.audience import Audience, AudienceOf, no_access
from cdc.errors import CdcError, Rejected
from cdc.feed import page, wiring
from cdc.feed.admission.access import Reading, is_from_page_of, page_key
from cdc.feed.admission.limits import AddressOf, Place, Refusal, peer_address
from cdc.feed.detached import detached
from cdc.feed.filter import Filter
from cdc.feed.position import FeedPosition
from cdc.feed.stream import Frames, Reader
from cdc.printable import printable
from cdc.wire.event import Operation

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # A proxy that compresses or buffers the response would delay changes.
    "Content-Encoding": "identity",
    "X-Accel-Buffering": "no",
}
_LONGEST_NAME = 100
_OPERATION_LABELS = {
    Operation.CREATE: "Created",
    Operation.UPDATE: "Updated",
    Operation.DELETE: "Deleted",
    Operation.READ: "Resent",
}


class FeedStream(View):
    """The stream of the live feed: sends each new change as a server-sent event.

    A HEAD request returns the status that a stream would have, and opens no stream.
    """

    http_method_names = ["get", "head"]
    audience_of: AudienceOf = staticmethod(no_access)
    address_of: AddressOf = staticmethod(peer_address)

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a stream that continues until the client disconnects or `Reader.stream` ends."""
        user = await request.auser()
        audience = self.audience_of(user)
        if audience is None:
            return _error(403, "You don't have access to the feed.")
        if not is_from_page_of(request, audience):
            return _error(403, "The page belongs to another session: reload it.")
        if not isinstance(request, ASGIRequest):
            return _error(501, "The feed needs an ASGI server, such as uvicorn.")
        try:
            after = request.headers.get("Last-Event-ID") or request.GET.get("after")
            at = FeedPosition.parse(after) if after else None
        except Rejected as error:
            return _error(400, str(error))
        # Authentication opened a database connection, which a stream must not keep open.
        await sync_to_async(connections.close_all)()
        return self._stream(request, str(user.pk), audience, at)

    async def head(self, request: HttpRequest) -> HttpResponseBase:
        """Return the status that a stream would have; the position is not checked."""
        user = await request.auser()
        audience = self.audience_of(user)
        if audience is None or not is_from_page_of(request, audience):
            return _error(403, "You don't have access to the feed.")
        refusal = wiring.places().refusal(str(user.pk), self.address_of(request))
        return _refused(refusal) if refusal else HttpResponse(headers=_HEADERS)

    def _stream(
        self, request: ASGIRequest, account: str, audience: Audience, at: FeedPosition | None
    ) -> HttpResponseBase:
        place = wiring.places().take(account, self.address_of(request))
        if isinstance(place, Refusal):
            return _refused(place)
        session, wanted = request.session, Filter.parse(request.GET, audience)
        reading = Reading(type(session), session.session_key, self.audience_of, audience)
        reader = Reader(wiring.hub(), wiring.catch_up(), audience, wanted, at, reading.phase)
        frames = reader.stream(partial(wiring.access_checks().check, reading))
        content = detached(request.scope, _in_place(place, frames))
        return StreamingHttpResponse(content, headers=_HEADERS)


async def _in_place(place: Place, frames: Frames) -> Frames:
    with place.used():
        async with aclosing(frames):
            async for frame in frames:
                yield frame


class _ForAudience(UserPassesTestMixin):
    """Restricts a view to users who belong to an audience."""

    audience_of: AudienceOf = staticmethod(no_access)
    request: HttpRequest

    def test_func(self) -> bool:
        return self.audience_of(self.request.user) is not None

    @property
    def audience(self) -> Audience:
        return self.audience_of(self.request.user) or Audience.OVERSEERS


class FeedPage(_ForAudience, TemplateView):
    """The live feed: the latest changes, which a script keeps up to date, or past changes."""

    template_name = "feed/feed.html"
    topics_of_rows: Callable[[], Sequence[str]] = staticmethod(tuple)
    """Returns the topic names that the filter suggests. The project passes this to `as_view`."""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        audience = self.audience
        query = self.request.GET
        wanted = Filter.parse(query, audience)
        try:
            content = page.content_of(page.PageRequest.parse(query), wanted, audience)
        except Rejected as error:
            content = page.PageContent(problem=str(error))
        return super().get_context_data(
            **context,
            feed=content,
            wanted=wanted,
            query=wanted.query(),
            key=page_key(self.request, audience),
            sees_people=audience.sees_people,
            chips=page.chips(wanted),
            every_operation=page.without(wanted, ops=frozenset()).query(),
            operations=[(op, label, op in wanted.ops) for op, label in _OPERATION_LABELS.items()],
            asked=page.asked_values(query),
            field_names=wiring.renderer().column_names(audience),
            topic_names=self.topics_of_rows(),
        )


class FeedChange(_ForAudience, View):
    """One change of the live feed with all its details, as JSON."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, partition: int, offset: int) -> HttpResponse:
        """Return the change from Kafka or, if Kafka does not have it, from the history."""
        try:
            found = page.details(partition, offset, self.audience)
        except CdcError as error:
            return _error(503, str(error))
        if found is None:
            return _error(404, "Neither Kafka nor the history has this change.")
        if found.get("user"):
            found["user_name"] = _name_of(found["user"])
        return HttpResponse(
            orjson.dumps(found, option=orjson.OPT_INDENT_2), content_type="application/json"
        )


def _name_of(user: str) -> str:
    """Return the name of a user, or an empty string if there is no such user.

    The key comes from a message, so it may be any text, such as the name of a command.
    """
    try:
        found = get_user_model().objects.filter(pk=user).first()
    except (ValueError, ValidationError):
        return ""
    return printable(found.get_full_name(), _LONGEST_NAME) if found else ""


def _refused(refusal: Refusal) -> HttpResponse:
    response = _error(503, refusal.why)
    response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _error(status: int, reason: str) -> HttpResponse:
    return HttpResponse(f"{reason}\n", status=status, content_type="text/plain; charset=utf-8")
