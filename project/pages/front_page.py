"""The front page, for visitors who are not logged in."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.views.generic import TemplateView

from project.pages import feed_state
from project.pages.most_dug import most_dug
from users.forms import LoginForm
from users.models import User
from users.roles import home_of


class FrontPage(TemplateView):
    """What Storyfeed is, and the stories with the most diggs. Redirects users who are logged in.

    The page also shows what happens to a change.
    """

    template_name = "pages/front.html"

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        if isinstance(request.user, User):
            return HttpResponseRedirect(home_of(request.user))
        return super().dispatch(request, *args, **options)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        form = LoginForm()
        # With this attribute, a phone would open its keyboard, which covers the page.
        form.fields["username"].widget.attrs.pop("autofocus", None)
        activity = feed_state.activity.get().value
        return super().get_context_data(**context, form=form, dug=most_dug(), activity=activity)
