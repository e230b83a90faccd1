"""`manage.py load_demo`."""

from typing import Any

from django.utils import timezone

from cdc.commands import FeedCommand
from stories.demo_stories import fill, give_reasons, give_some_to
from users.demo import CUSTOMER, ensure_demo_people
from users.models import User


class Command(FeedCommand):
    help = (
        "Create demo stories, with dates in the past year, so that 1,200 demo stories belong to no "
        "account. If 1,000 or more already do, create no stories. Also create four demo users, and "
        "print their logins. If some of the users exist, create only the missing ones."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        made = fill(timezone.now())
        self.stdout.write(
            f"{made} demo stories created." if made else "Demo stories already exist."
        )
        give_reasons()
        logins = ensure_demo_people()
        if made:
            give_some_to(User.objects.get(email=CUSTOMER))
        for login in logins:
            if login.password:
                self.stdout.write(f"{login.email}  password {login.password}  ({login.role})")
            else:
                self.stdout.write(
                    f"{login.email}  already exists ({login.role}); set a new password with "
                    f"`manage.py changepassword {login.email}`"
                )
