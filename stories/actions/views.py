"""The URLs that buttons on the story pages post to. Without a script, they are plain forms."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import View

from cdc.errors import Refused
from stories.actions import votes
from stories.models import Story

_LONGEST_URL = 2_000


class VoteView(LoginRequiredMixin, View):
    """Counts or removes the user's vote. A script replaces only the vote on the page."""

    is_dug: bool

    def act(self, key: int) -> Story:
        """Change the vote for the story with this key. Raise Refused if that is impossible."""
        raise NotImplementedError

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            story = self.act(pk)
        except Refused as error:
            messages.error(request, str(error))
            return self._back(pk, refresh=True)
        if not _by_script(request):
            return self._back(pk)
        return render(request, "stories/_vote.html", {"story": story, "dug": self.is_dug})

    def handle_no_permission(self) -> Any:
        """Redirect to the login page. A script must load the whole page, not a part of it."""
        answer = super().handle_no_permission()
        if not _by_script(self.request):
            return answer
        return HttpResponse(headers={"HX-Redirect": reverse("login")})

    def _back(self, pk: int, *, refresh: bool = False) -> HttpResponse:
        if refresh and _by_script(self.request):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return HttpResponseRedirect(back_to(self.request) or reverse("story", args=[pk]))


class DiggView(VoteView):
    """Counts the user's digg for a story, once."""

    is_dug = True

    def act(self, key: int) -> Story:
        return votes.digg(self.request.user, key)


class UndoDiggView(VoteView):
    """Removes the user's digg for a story."""

    is_dug = False

    def act(self, key: int) -> Story:
        return votes.undo(self.request.user, key)


def back_to(request: HttpRequest) -> str:
    """Return the path of this site in the posted field `next`, or an empty string."""
    path = request.POST.get("next", "")
    if not path.startswith("/") or len(path) > _LONGEST_URL:
        return ""
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else ""


def _by_script(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))
