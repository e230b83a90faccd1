"""The headers of every answer: what a page may load, and who may keep it."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

# Nothing inline and nothing from elsewhere. `data:` is for the small images in Bootstrap's styles.
_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
POLICY = "; ".join(f"{name} {allowed}" for name, allowed in _SOURCES.items())
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # Pages are people's own: after a log-out nobody finds them by the back button. Static files
    # come with a header of their own.
    "Cache-Control": "private, no-store",
}


class HeadersMiddleware:
    """Adds the headers that an answer does not have, for sync and async views alike."""

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
        """Answer the request."""
        response = self.get_response(request)
        return (
            _with_headers(response) if isinstance(response, HttpResponseBase) else _later(response)
        )


async def _later(response: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    return _with_headers(await response)


def _with_headers(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
