"""The stories' pages, for everybody who is logged in."""

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import QuerySet
from django.views.generic import DetailView, ListView

from stories.models import Story
from stories.reading import matching, readable_by, search_words


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
