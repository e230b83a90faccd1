"""Who may see the operator's pages, and who may act (docs/decisions/0007)."""

from typing import Any, ClassVar

from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRefresh

from users.models import UserType
from users.roles import may_open

READERS = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
ACTORS = (UserType.TECHNICAL_WORKER,)


class ReadersMixin(UserPassesTestMixin):
    """A page for who may read; asked on every request, superusers always may."""

    request: HttpRequest
    roles: ClassVar[tuple[UserType, ...]] = READERS

    def test_func(self) -> bool:
        """Return whether the person who asks may open the page."""
        return any(may_open(self.request.user, role) for role in self.roles)

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Refuse who may not; a page that renews itself is loaded anew, and so is refused too."""
        if getattr(request, "htmx", False) and not self.test_func():
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **options)


class ActorsMixin(ReadersMixin):
    """A page for who may act."""

    roles = ACTORS


def may_act(request: HttpRequest) -> bool:
    """Return whether who asks may act on the feed."""
    return any(may_open(request.user, role) for role in ACTORS)
