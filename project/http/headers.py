"""Response headers that neither Django nor django-csp sets."""

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

_HEADERS = {
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # After a logout, the back button must not show a private page. WhiteNoise sets its own value
    # for static files.
    "Cache-Control": "private, no-store",
}


class DefaultHeadersMiddleware(MiddlewareMixin):
    """Adds the default headers that a response does not have yet."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response
