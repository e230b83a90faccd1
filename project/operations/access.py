"""The roles that may read the operations pages or act on the pipeline (docs/decisions/0007)."""

from typing import ClassVar

from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest

from users.models import UserType
from users.roles import may_open, only_for

READERS = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
ACTORS = (UserType.TECHNICAL_WORKER,)


class ReadersMixin(UserPassesTestMixin):
    """Restricts a page to the roles in `READERS` and to superusers."""

    request: HttpRequest
    roles: ClassVar[tuple[UserType, ...]] = READERS

    def test_func(self) -> bool:
        return any(may_open(self.request.user, role) for role in self.roles)

    def get_permission_denied_message(self) -> str:
        return only_for(*self.roles)


class ActorsMixin(ReadersMixin):
    """Restricts a page to the roles in `ACTORS` and to superusers."""

    roles = ACTORS


def may_act(request: HttpRequest) -> bool:
    """Return whether the user may act on the pipeline."""
    return any(may_open(request.user, role) for role in ACTORS)
