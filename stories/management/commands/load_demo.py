"""`manage.py load_demo`."""

from typing import Any

from django.utils import timezone

from cdc.commands import FeedCommand
from stories.demo_stories import fill
from users.demo import ensure_demo_people


class Command(FeedCommand):
    help = (
        "Make 200 demo stories and four demo people, and print their logins. Run again, it makes "
        "only what is missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        made = fill(timezone.now())
        self.stdout.write(f"{made} demo stories made." if made else "Demo stories exist already.")
        for login in ensure_demo_people():
            if login.password:
                self.stdout.write(f"{login.email}  password {login.password}  ({login.role})")
            else:
                self.stdout.write(
                    f"{login.email}  exists already ({login.role}); set a new password by "
                    f"`manage.py changepassword {login.email}`"
                )
