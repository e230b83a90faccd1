"""`/metrics` of the web process, for programs on this machine and for clients with the token."""

from collections.abc import Callable
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from project.http.refusal import REFUSED_REQUESTS
from project.metrics.feed import FeedCollector
from project.metrics.process import process_registry
from users.client_address import is_from_this_machine

_REFUSAL = (
    "Only programs on this machine, and clients that send METRICS_TOKEN as their bearer token, can "
    "read the metrics.\n"
)
_registry = process_registry(FeedCollector(), REFUSED_REQUESTS)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Serves the metrics of the pipeline and the web process. Remote clients need the token."""
    if not (is_from_this_machine(request) or _has_token(request)):
        return HttpResponse(_REFUSAL, status=403, content_type="text/plain; charset=utf-8")
    encode, content_type = _encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return the encoder for an `Accept` header; the default if the header is malformed."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


def _has_token(request: HttpRequest) -> bool:
    token: str = settings.ENVIRONMENT.metrics_token
    given = request.headers.get("Authorization", "")
    return bool(token) and compare_digest(given.encode(), f"Bearer {token}".encode())
