"""Attributes the changes made by a web request to the user and the trace of the request."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from cdc.context import acting_as, traced
from cdc.runtime.tracing import RequestSpan, request_span

_ANONYMOUS = "anonymous"


class ActorMiddleware:
    """Sets the actor and the trace of the changes that a request makes, in sync and async views.

    Place this middleware after the authentication middleware. The actor is the user's id, or
    `anonymous`. The trace is the value of the `traceparent` header. If traces are exported, the
    request has a span, which continues this trace.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._awaited(request)
        with _attributed_to(request) as span:
            response = self.get_response(request)
            if isinstance(response, HttpResponseBase):
                _answered(span, request, response)
            return response

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        with _attributed_to(request) as span:
            response = self.get_response(request)
            if not isinstance(response, HttpResponseBase):
                response = await response
            _answered(span, request, response)
            return response


@contextmanager
def _attributed_to(request: HttpRequest) -> Iterator[RequestSpan]:
    traceparent = request.headers.get("traceparent", "")
    with (
        acting_as(lambda: _user_id(request)),
        traced(traceparent),
        request_span(str(request.method), request.headers) as span,
    ):
        yield span


def _answered(span: RequestSpan, request: HttpRequest, response: HttpResponseBase) -> None:
    match = request.resolver_match
    span.answered(str(request.method), match.route if match else None, response.status_code)


def _user_id(request: HttpRequest) -> str:
    # This function runs only when a change or an operator's action is recorded, in a thread that
    # may query the database. Any other request therefore causes no query.
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.pk is not None else _ANONYMOUS
