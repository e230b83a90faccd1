"""`/healthz` (the process is running) and `/readyz` (all required services are available)."""

from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware import common
from django.views.decorators.http import require_safe

from project.http import readiness
from project.http.readiness import Part, State

HEALTH = "/healthz"


@require_safe
def healthz(_: HttpRequest) -> HttpResponse:
    """Returns status 200 if the web process is running. No other service is checked."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Returns the state of each service. The status is 200 if all services are ok, otherwise 503.

    Staff also get the address and the error of each service.
    """
    parts = readiness.parts.look()
    ready = all(part.state is State.OK for part in parts)
    answer: dict[str, Any] = {"ready": ready, "parts": {part.name: part.state for part in parts}}
    if _is_staff(request, parts):
        answer["details"] = {
            part.name: {"where": readiness.address(part.name), "problem": part.problem}
            for part in parts
        }
    return JsonResponse(answer, status=200 if ready else 503)


class CommonMiddleware(common.CommonMiddleware):
    """Django's CommonMiddleware, except that `/healthz` accepts any Host header.

    Probes often use an IP address as the host. The header is still checked for `/readyz` and
    `/metrics`, because these pages reveal details. Without the check, an attacker's web page
    could read these details through a browser on this machine, if the attacker's host name resolves
    to this machine (DNS rebinding).
    """

    def process_request(self, request: HttpRequest) -> Any:
        return None if request.path == HEALTH else super().process_request(request)


def _is_staff(request: HttpRequest, parts: tuple[Part, ...]) -> bool:
    """Return whether the user is staff. Return False if the database is unavailable."""
    if any(part.name == readiness.DATABASE and part.state is not State.OK for part in parts):
        return False
    try:
        return bool(getattr(request.user, "is_staff", False))
    except Error:
        return False
