"""The home page of Customers: the newest stories."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView

from project.pages.most_dug import MostDug, most_dug
from stories.actions.review import own_stories
from stories.listing.pages import in_order, newest
from stories.listing.topics import topics
from stories.models import Status, Story
from users.models import UserType
from users.roles import RoleRequiredMixin

_NEWEST = 5
_MINE = 3


@require_safe
def favicon(_: HttpRequest) -> HttpResponse:
    """Redirects to the icon of the site."""
    return HttpResponseRedirect(static("project/icon.svg"))


class CustomerHome(RoleRequiredMixin, TemplateView):
    """The newest stories, the stories with the most diggs, and the user's latest submissions."""

    role = UserType.CUSTOMER
    template_name = "pages/newest_stories.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        dug = most_dug()
        shown = {
            "stories": newest(user, _NEWEST),
            "mine": own_stories(user)[:_MINE],
            "topics": topics(),
            "dug": dug,
            "dug_stories": _reviewed(user, dug),
        }
        return super().get_context_data(**context, **shown)


def _reviewed(user: Any, dug: MostDug) -> list[Story]:
    """Return the most dug stories as they are now, without those rejected in the meantime."""
    stories = in_order(user, [story.pk for story in dug.stories])
    return [story for story in stories if story.status != Status.REJECTED]
