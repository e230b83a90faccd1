"""The story pages, for all users who are logged in."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin, UserPassesTestMixin
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView, UpdateView

from cdc.operations import trace_row
from cdc.pages import RefusalMixin
from stories.actions.votes import dug_by
from stories.forms import SubmissionForm
from stories.models import Story
from stories.permissions import may_change, may_trace, readable_by, search, search_words
from stories.replica_wait import wait_for_replica
from users.roles import audience_of


class StoryListView(LoginRequiredMixin, ListView[Story]):
    """All stories, newest first, in pages. The parameter `q` searches titles and descriptions."""

    template_name = "stories/list.html"
    context_object_name = "stories"
    paginate_by = 20

    def get_queryset(self) -> QuerySet[Story]:
        return search(readable_by(self.request.user), self._words())

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, q=self._words())

    def _words(self) -> str:
        return search_words(self.request.GET.get("q", ""))


class StoryView(LoginRequiredMixin, DetailView[Story]):
    """One story with all its details."""

    template_name = "stories/story.html"
    context_object_name = "story"

    def get_queryset(self) -> QuerySet[Story]:
        return readable_by(self.request.user)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        key = self.object.pk
        may = {"may_change": may_change(user, self.object), "may_follow": may_trace(user)}
        may["dug"] = key in dug_by(user, [key])
        return super().get_context_data(**context, **may)


class TraceView(UserPassesTestMixin, StoryView):
    """The replication trace of a story's last change, for users who may open the Pipeline page.

    The page refreshes the trace until the change is applied.
    """

    def test_func(self) -> bool:
        return may_trace(self.request.user)

    def get_template_names(self) -> list[str]:
        """Return the page, or only its live part for an htmx request."""
        live = getattr(self.request, "htmx", False)
        return ["stories/_trace.html" if live else "stories/trace.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        trace = trace_row(self.object)
        sentence = trace.sentence_for(audience_of(self.request.user))
        return super().get_context_data(**context, trace=trace, sentence=sentence)


class SubmissionView(LoginRequiredMixin, RefusalMixin, UpdateView[Story, SubmissionForm]):
    """Submits a story. The user can choose to wait until the story is replicated."""

    model = Story
    form_class = SubmissionForm
    template_name = "stories/form.html"
    extra_context = {"title": "Submit a story", "button": "Submit"}

    def get_object(self, queryset: Any = None) -> Story:
        return Story(submitted_by_id=self.request.user.pk)

    def form_valid(self, form: SubmissionForm) -> HttpResponse:
        story = form.save_changes()
        replicated, message = True, "Saved."
        if form.cleaned_data["wait"]:
            replicated, message = wait_for_replica(story)
        level = messages.SUCCESS if replicated else messages.INFO
        messages.add_message(self.request, level, message)
        return HttpResponseRedirect(reverse("story", args=[story.pk]))


class ChangeView(UserPassesTestMixin, SubmissionView):
    """Edits any story for Technical Workers, and an unreviewed story for its submitter."""

    extra_context = {"title": "Edit story", "button": "Save"}
    permission_denied_message = (
        "This story belongs to somebody else, or it has been reviewed. "
        "Since then, only Technical Workers may edit it."
    )

    def test_func(self) -> bool:
        user = self.request.user
        return user.is_authenticated and may_change(user, self.get_object())

    def get_object(self, queryset: Any = None) -> Story:
        """Return the story. Raise Http404 if the user may not read it."""
        return get_object_or_404(readable_by(self.request.user), pk=self.kwargs["pk"])
