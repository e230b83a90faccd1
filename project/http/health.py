"""`/healthz` and `/readyz`: whether the process lives, and whether all that it needs is there."""

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
    """Say that the process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell the state of each part; 503 unless all are well. Staff read where it is, and why."""
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
    """Django's, which refuses names that are not the site's: a probe may use any.

    The other two pages keep the rule. They tell something, and a page elsewhere whose name leads
    to this machine could have a browser here read it.
    """

    def process_request(self, request: HttpRequest) -> Any:
        """Check the name and the address."""
        return None if request.path == HEALTH else super().process_request(request)


def _is_staff(request: HttpRequest, parts: tuple[Part, ...]) -> bool:
    """Whether somebody from the staff asks; a database that is away is not asked who it is."""
    if any(part.name == readiness.DATABASE and part.state is not State.OK for part in parts):
        return False
    try:
        return bool(getattr(request.user, "is_staff", False))
    except Error:
        return False
