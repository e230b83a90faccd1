"""The response to a script if its user may no longer open what the script asks for.

htmx follows a redirect to the login page, and would then show that page inside the open page, for
example in place of the list of stories.
"""

from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh


class LostAccessMiddleware(MiddlewareMixin):
    """Replaces the whole page with the login page or the 403 page, not only a part of it.

    If the script asked for a part of the page, the page itself is opened again after the login. If
    it followed a link, the linked page is opened. If a write is refused with 403, for example
    because the CSRF token is outdated, the script says so on the page.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not getattr(request, "htmx", False):
            return response
        if _leads_to_login(response):
            return HttpResponseClientRedirect(redirect_to_login(_page_of(request)).url)
        if response.status_code != HTTPStatus.FORBIDDEN or request.method != "GET":
            return response
        if _is_link(request):
            return HttpResponseClientRedirect(request.get_full_path())
        return HttpResponseClientRefresh()


def _leads_to_login(response: HttpResponseBase) -> bool:
    if not isinstance(response, HttpResponseRedirectBase):
        return False
    login_pages = (resolve_url(settings.LOGIN_URL), reverse("admin:login"))
    return urlsplit(response.url).path in login_pages


def _is_link(request: HttpRequest) -> bool:
    return request.method == "GET" and bool(request.htmx.boosted)  # type: ignore[attr-defined]


def _page_of(request: HttpRequest) -> str:
    """Return the URL of the page to open after the login."""
    if _is_link(request):
        return request.get_full_path()
    with suppress(ValueError):  # the header is not a URL
        return request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
    return "/"
