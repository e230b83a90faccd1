"""The error pages, and the responses to errors of the database or of `cdc` that no page handles."""

import logging
import sys

from django.contrib import messages
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults

from cdc.commands import database_problem, log
from cdc.operations import outage_verdict
from cdc.pages import marked, refused
from cdc.refusals import BUSY, LOST, REFUSALS, UNAVAILABLE, Refusal, refusal_of
from stories.permissions import StoryNotFound

REQUEST_FAILED = "request.failed"
"""The log event of a request that failed because the database is not available."""
_OK = 200
_OUTAGE = outage_verdict(("the database",), "", remedy="Try again in a moment.")
_log = logging.getLogger(__name__)


class RefusalMiddleware(MiddlewareMixin):
    """Shows the page of a refused POST again, with the reason.

    This project's own pages with forms do this themselves (`cdc.pages`), and keep what was typed.
    This middleware is for all other pages, such as the admin pages of other apps. If the database
    is locked or not available, the middleware also responds to a GET request.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, REFUSALS):
            return None
        _report(error)
        if request.method == "POST":
            refusal = refused(request, error)
            return _shown_again(request, refusal) or _unavailable(request, refusal)
        if (refusal := refusal_of(error)) in {BUSY, LOST, UNAVAILABLE}:
            return _unavailable(request, refusal)
        return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Return the page of a bad request.

    Django's own view also checks the CSRF token; this fails again if the form cannot be read.
    """
    return HttpResponseBadRequest(render_to_string("400.html"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page of a story that was not found, or the page of a wrong address."""
    missing = isinstance(exception, StoryNotFound)
    template = "stories/not_found.html" if missing else defaults.ERROR_404_TEMPLATE_NAME
    return defaults.page_not_found(request, exception, template)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page of an error that nothing has handled.

    An error of the database, for example in a middleware, gets the page of a refusal.
    """
    error = sys.exc_info()[1]
    if isinstance(error, Error):
        _report(error)
        return _unavailable(request, refusal_of(error))
    return defaults.server_error(request)


def _shown_again(request: HttpRequest, refusal: Refusal) -> HttpResponse | None:
    """Return the page as for a GET request, or None if GET fails or the database is unavailable."""
    match = request.resolver_match
    if match is None or refusal == UNAVAILABLE:
        return None
    messages.error(request, refusal.sentence)
    request.method, request.POST = "GET", QueryDict()
    try:
        page: HttpResponse = match.func(request, *match.args, **match.kwargs)
    except REFUSALS:
        return None
    return marked(page, refusal) if page.status_code == _OK else None


def _report(error: Exception) -> None:
    """Log why the database is not available, because the page does not show the reason."""
    if isinstance(error, Error) and refusal_of(error) in {LOST, UNAVAILABLE}:
        log(_log, logging.ERROR, REQUEST_FAILED, error=database_problem(error))


def _unavailable(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Return the page of a refusal. During an outage, a GET request gets the pipeline's verdict."""
    writes = request.method == "POST"
    is_outage = not writes and refusal in {LOST, UNAVAILABLE}
    sentence = _OUTAGE if is_outage else refusal.sentence
    # The page is rendered without the request: to know its user, Django would read the database.
    page = render_to_string("503.html", {"sentence": sentence, "writes": writes})
    return marked(HttpResponse(page), refusal)
