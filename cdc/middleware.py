"""Ascribes the changes of a web request to its user."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from cdc.actor import acting_as

_ANONYMOUS = "anonymous"


class ActorMiddleware:
    """Sets the actor for sync and async views alike; stands after the authentication middleware."""

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
        with acting_as(lambda: _user_id(request)):
            return self.get_response(request)

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(lambda: _user_id(request)):
            response = self.get_response(request)
            return response if isinstance(response, HttpResponseBase) else await response


def _user_id(request: HttpRequest) -> str:
    # Read when a change is captured, which is in a thread that may query the database: a request
    # that changes nothing costs no query.
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.pk is not None else _ANONYMOUS
