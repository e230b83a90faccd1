"""The actions on the story pages, and My submissions. Each action also works without a script."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin, UserPassesTestMixin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import FormView, ListView, View

from cdc.errors import Refused
from cdc.pages import RefusalMixin, refused
from cdc.refusals import REFUSALS
from stories.actions import votes
from stories.actions.reasons import COMMON_REASONS, text_of
from stories.actions.review import (
    approve,
    may_review,
    may_withdraw,
    own_stories,
    reject,
    withdraw,
)
from stories.bulk.shown import SHOWN, code_of
from stories.forms import RejectionForm
from stories.listing.filters import Filters, counted_statuses
from stories.models import Status, Story, reason_of
from stories.permissions import StoryNotFound, one_of, readable_by

_LONGEST_URL = 2_000
_NEW_REASON = {"title": "Change the reason?", "button": "Save the reason", "danger": False}


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
        except REFUSALS as error:
            if _by_script(request):
                raise  # the script shows the failure on the page
            messages.error(request, refused(request, error).sentence)
            return self._back(pk)
        if not _by_script(request):
            return self._back(pk)
        return render(request, "stories/_vote.html", {"story": story, "dug": self.is_dug})

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


class StoryActionView(LoginRequiredMixin, UserPassesTestMixin, FormView[forms.Form]):
    """Asks for confirmation, then changes a story."""

    template_name = "stories/confirm.html"
    form_class = forms.Form
    story: Story

    def setup(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().setup(request, *args, **options)
        if request.user.is_authenticated:
            self.story = one_of(readable_by(request.user), options["pk"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, story=self.story, back=self.back)

    @property
    def back(self) -> str:
        """The page that asked for the action; by default, the story's page."""
        return back_to(self.request) or reverse("story", args=[self.story.pk])

    def get_success_url(self) -> str:
        return self.back


class WithdrawView(RefusalMixin, StoryActionView):
    """Deletes the user's own submission, if it is not reviewed yet."""

    permission_denied_message = (
        "You can withdraw your own story until it is reviewed. This story was reviewed, or it was "
        "submitted by another user."
    )
    extra_context = {
        "title": "Withdraw this story?",
        "text": "The story and its diggs are deleted. You cannot undo this.",
        "button": "Withdraw",
        "danger": True,
    }

    def test_func(self) -> bool:
        return may_withdraw(self.request.user, self.story)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        if withdraw(self.request.user, self.story.pk):
            messages.success(self.request, "The story was withdrawn.")
        else:
            messages.error(self.request, "The story was reviewed in the meantime.")
        return super().form_valid(form)

    def get_success_url(self) -> str:
        return reverse("my_stories")


class ReviewView(RefusalMixin, StoryActionView):
    """Approves or rejects a story. Only staff who may change stories can open this page."""

    permission_denied_message = "Only staff who may change stories can review them."

    def test_func(self) -> bool:
        return may_review(self.request.user)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, shown=code_of(self.story))

    @property
    def code(self) -> str:
        """The code of the story as the user saw it. Without a code, the decision is refused."""
        return self.request.POST.get(SHOWN, "")


class ApproveView(ReviewView):
    """Lets staff who may change stories make a story popular."""

    extra_context = {
        "title": "Approve this story?",
        "text": "The story becomes popular. If it was rejected, everyone can read it again.",
        "button": "Approve",
    }

    def form_valid(self, form: forms.Form) -> HttpResponse:
        if approve(self.request.user, self.story.pk, self.code):
            messages.success(self.request, "The story was approved.")
        else:
            messages.info(self.request, "The story was already popular.")
        return super().form_valid(form)


class RejectView(ReviewView):
    """Lets staff who may change stories reject a story, with a reason for its submitter."""

    form_class = RejectionForm
    extra_context = {
        "title": "Reject this story?",
        "text": "Only the submitter, staff who may view stories, and people with access to the "
        "live feed can read a rejected story. They also see the reason.",
        "button": "Reject",
        "danger": True,
        "common_reasons": COMMON_REASONS,
    }

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """If the story is already rejected, add the title and the button for a new reason."""
        shown = super().get_context_data(**context)
        return {**shown, **_NEW_REASON} if self.story.status == Status.REJECTED else shown

    def get_initial(self) -> dict[str, Any]:
        """Return the common reason that `preset` in the URL names, or the current reason."""
        return {"reason": text_of(self.request.GET.get("preset", "")) or reason_of(self.story)}

    def form_valid(self, form: forms.Form) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        if not reject(self.request.user, self.story.pk, reason, self.code):
            raise StoryNotFound
        is_new = self.story.status != Status.REJECTED
        done = "The story was rejected." if is_new else "The reason was changed."
        messages.success(self.request, done)
        return super().form_valid(form)


class MySubmissionsView(LoginRequiredMixin, ListView[Story]):
    """The user's own submissions, newest first, each with its state and the possible actions.

    `status` selects the submissions of one state.
    """

    template_name = "stories/mine.html"
    context_object_name = "stories"
    paginate_by = 20

    def get_queryset(self) -> QuerySet[Story]:
        self.filters = Filters.of_status(self.request.GET.get("status", "").strip())
        self.own = own_stories(self.request.user)
        if self.filters.hides_all:
            return self.own.none()
        status = self.filters.status
        return self.own.filter(status=status) if status else self.own

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        counts = self.own.order_by().values_list("status").annotate(number=Count("pk"))
        shown: dict[str, Any] = {
            "status": self.filters.status,
            "unknown": self.filters.unknown,
            "choices": counted_statuses(self.filters, dict(counts)),
        }
        return super().get_context_data(**context, **shown)


def back_to(request: HttpRequest) -> str:
    """Return `next` if it is a path on this site; otherwise, return an empty string."""
    path = request.POST.get("next") or request.GET.get("next", "")
    if not path.startswith("/") or len(path) > _LONGEST_URL:
        return ""
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else ""


def _by_script(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))
