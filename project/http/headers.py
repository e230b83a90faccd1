"""Response headers that neither Django nor django-csp sets."""

from django.conf import settings
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


class SessionCookieMiddleware(MiddlewareMixin):
    """Lets only the response to a POST request, such as a logout, delete the session cookie.

    SessionMiddleware deletes the cookie of an ended session in any response. A page that is still
    open requests the status and the stream. If the user logged in again before the response to such
    a request arrived, this response would delete the cookie of the new session.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and not cookie.value and request.method != "POST":
            del response.cookies[settings.SESSION_COOKIE_NAME]
        return response
