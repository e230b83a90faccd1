"""The stories' pages, for everybody who is logged in."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin, UserPassesTestMixin
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView, UpdateView

from cdc.errors import Refused
from cdc.operations import trace_row
from stories.copy import wait_for_copy
from stories.forms import SubmissionForm
from stories.models import Story
from stories.reading import matching, may_change, may_follow, readable_by, search_words


class StoryListView(LoginRequiredMixin, ListView[Story]):
    """The newest stories first, by pages; `q` searches titles and descriptions."""

    template_name = "stories/list.html"
    context_object_name = "stories"
    paginate_by = 20

    def get_queryset(self) -> QuerySet[Story]:
        """Return what the reader may see and asked for."""
        return matching(readable_by(self.request.user), self._words())

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what was asked for."""
        return super().get_context_data(**context, q=self._words())

    def _words(self) -> str:
        return search_words(self.request.GET.get("q", ""))


class StoryView(LoginRequiredMixin, DetailView[Story]):
    """One story."""

    template_name = "stories/story.html"
    context_object_name = "story"

    def get_queryset(self) -> QuerySet[Story]:
        """Return what the reader may see."""
        return readable_by(self.request.user)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what the reader may do with it."""
        user = self.request.user
        may = {"may_change": may_change(user, self.object), "may_follow": may_follow(user)}
        return super().get_context_data(**context, **may)


class WayView(UserPassesTestMixin, StoryView):
    """How a story's last change went through the feed; renews itself until it has arrived."""

    def test_func(self) -> bool:
        """Return whether who asks reads the feed's pages."""
        return may_follow(self.request.user)

    def get_template_names(self) -> list[str]:
        """Return the page, or its middle for a page that is open."""
        live = getattr(self.request, "htmx", False)
        return ["stories/_way.html" if live else "stories/way.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Look for it."""
        return super().get_context_data(**context, way=trace_row(self.object))


class SubmissionView(LoginRequiredMixin, UpdateView[Story, SubmissionForm]):
    """Saves a submitted form and, when that is asked for, waits for the copy."""

    model = Story
    form_class = SubmissionForm
    template_name = "stories/form.html"
    extra_context = {"title": "Submit a story", "button": "Submit"}

    def get_object(self, queryset: Any = None) -> Story:
        """Begin with a story of who submits it."""
        return Story(submitted_by_id=self.request.user.pk)

    def form_valid(self, form: SubmissionForm) -> HttpResponse:
        """Save it and say so."""
        try:
            story = form.keep()
        except Refused as error:
            form.add_error(None, f"Not saved. {error}")
            return self.form_invalid(form)
        arrived, sentence = True, "It is saved."
        if form.cleaned_data["wait"]:
            arrived, sentence = wait_for_copy(story)
        messages.add_message(self.request, messages.SUCCESS if arrived else messages.INFO, sentence)
        return HttpResponseRedirect(reverse("story", args=[story.pk]))


class ChangeView(UserPassesTestMixin, SubmissionView):
    """Corrects a story."""

    extra_context = {"title": "Change the story", "button": "Save"}

    def test_func(self) -> bool:
        """Return whether who asks may change this one."""
        user = self.request.user
        return user.is_authenticated and may_change(user, self.get_object())

    def get_object(self, queryset: Any = None) -> Story:
        """Return the story, if who asks may see it."""
        return get_object_or_404(readable_by(self.request.user), pk=self.kwargs["pk"])
