"""The story pages, for all users who are logged in."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin, UserPassesTestMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import DetailView, ListView, TemplateView, UpdateView

from cdc.errors import Refused
from cdc.operations import trace_row
from cdc.pages import RefusalMixin
from stories.actions.review import may_review, may_withdraw
from stories.addresses import alone_with, submitted_before
from stories.forms import DUPLICATE, SubmissionForm
from stories.listing.filters import Filters, choices, number
from stories.listing.pages import in_order, listing, shown_to
from stories.listing.topics import topics
from stories.models import Story, reason_of
from stories.permissions import may_change, may_trace, one_of, readable_by, reads_all
from stories.replica_wait import wait_for_replica
from users.roles import audience_of

_PARAMETERS = ("q", "topic", "sort", "status", "after", "page")


class StoryListView(LoginRequiredMixin, ListView[Story]):
    """Up to 1,000 stories in pages: search (`q`), filters (`topic`, `status`), order (`sort`)."""

    template_name = "stories/list.html"
    context_object_name = "stories"
    paginate_by = 20

    def get(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """Show the list. If the URL has empty parameters, redirect to the same URL without them."""
        query = request.GET
        empty = [name for name in _PARAMETERS if name in query and not query[name]]
        if not empty:
            return super().get(request, *args, **options)
        kept = query.copy()
        for name in empty:
            del kept[name]
        return HttpResponseRedirect(f"?{kept.urlencode()}" if kept else request.path)

    def get_queryset(self) -> Any:
        """Return the keys of the stories."""
        self.filters = Filters.read(self.request.GET)
        self.topics = topics()
        self.listing = listing(self.request.user, self.filters, self.topics)
        return self.listing.keys

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = super().get_context_data(**context)
        page, found = context["page_obj"], self.listing
        links = {
            "before": self.filters.link(page=page.number - 1),
            "next": self.filters.link(page=page.number + 1),
            "search_on": self.filters.link(after=found.next_after),
        }
        stories = in_order(self.request.user, context["stories"])
        shown = choices(self.filters, self.topics, reads_all=reads_all(self.request.user))
        return {**context, **links, **shown, "stories": stories, "listing": found}


class StoryView(LoginRequiredMixin, DetailView[Story]):
    """One story with all its details. Most users cannot open rejected stories."""

    template_name = "stories/story.html"
    context_object_name = "story"

    def get_object(self, queryset: Any = None) -> Story:
        """Return the story. Raise StoryNotFound if the user may not read it."""
        stories = shown_to(self.request.user, readable_by(self.request.user))
        return one_of(stories, self.kwargs["pk"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        may = {
            "may_change": may_change(user, self.object),
            "may_follow": may_trace(user),
            "may_withdraw": may_withdraw(user, self.object),
            "may_review": may_review(user),
        }
        return super().get_context_data(**context, **may, reason=reason_of(self.object))


class TraceView(UserPassesTestMixin, StoryView):
    """The replication trace of a story's last change, for users who may open the Pipeline page.

    The page refreshes the trace until the change is applied.
    """

    def test_func(self) -> bool:
        return may_trace(self.request.user)

    def get_template_names(self) -> list[str]:
        """Return the template of the page, or only of its live part for an htmx request."""
        live = getattr(self.request, "htmx", False)
        return ["stories/_trace.html" if live else "stories/trace.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        trace = trace_row(self.object)
        sentence = trace.sentence_for(audience_of(self.request.user))
        return super().get_context_data(**context, trace=trace, sentence=sentence)


class SubmissionView(LoginRequiredMixin, RefusalMixin, UpdateView[Story, SubmissionForm]):
    """Submits a story. Some roles can choose to wait until the story is replicated."""

    model = Story
    form_class = SubmissionForm
    template_name = "stories/form.html"
    extra_context = {
        "title": "Submit a story",
        "button": "Submit story",
        "lead": "Your story is listed at once. Staff then approve or reject it.",
    }

    def get_object(self, queryset: Any = None) -> Story:
        return Story(submitted_by_id=self.request.user.pk)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "offers_wait": may_trace(self.request.user)}

    def form_valid(self, form: SubmissionForm) -> HttpResponse:
        with alone_with(form.cleaned_data["link"]):
            # Another request might have submitted the address since the form was checked.
            if "link" in form.changed_data:
                form.duplicate = submitted_before(
                    form.cleaned_data["link"], apart_from=form.instance.pk
                )
            if not form.duplicate:
                story = self.save(form)
        if form.duplicate:
            form.add_error("link", DUPLICATE)
            return self.form_invalid(form)
        replicated, message = True, "Saved."
        if form.cleaned_data.get("wait"):
            replicated, message = wait_for_replica(story)
        level = messages.SUCCESS if replicated else messages.INFO
        messages.add_message(self.request, level, message)
        return HttpResponseRedirect(reverse("story", args=[story.pk]))

    def save(self, form: SubmissionForm) -> Story:
        """Save the story in the transaction in which its address was checked."""
        return form.save_changes()


class AddressCheckView(LoginRequiredMixin, TemplateView):
    """Names the story that already has the address (`link`) in the form, if such a story exists."""

    template_name = "stories/_duplicate.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        query = self.request.GET
        story = _stored_under(query.get("link", ""), number(query.get("story", "")))
        return super().get_context_data(**context, duplicate=story)


class ChangeView(UserPassesTestMixin, SubmissionView):
    """Lets Technical Workers and superusers edit any story, and users their own unreviewed ones."""

    extra_context = {"title": "Edit story", "button": "Save"}
    permission_denied_message = (
        "This story belongs to another user, or it has been reviewed. "
        "After a review, only Technical Workers may edit a story."
    )

    def test_func(self) -> bool:
        user = self.request.user
        return user.is_authenticated and may_change(user, self.get_object())

    def get_object(self, queryset: Any = None) -> Story:
        """Return the story. Raise StoryNotFound if the user may not read it."""
        return one_of(readable_by(self.request.user), self.kwargs["pk"])

    def save(self, form: SubmissionForm) -> Story:
        """Save the story, unless a review has just ended the user's right to change it."""
        story = Story.objects.select_for_update().filter(pk=form.instance.pk).first()
        if story is None:
            raise Refused("The story was deleted in the meantime.")
        if not may_change(self.request.user, story):
            raise Refused("The story was reviewed in the meantime.")
        return super().save(form)


def _stored_under(text: str, own: int) -> Story | None:
    """Return the story with this address, if the address is valid."""
    try:
        address = forms.URLField(max_length=500, assume_scheme="https").clean(text)
    except ValidationError:
        return None
    return submitted_before(address, apart_from=own)
