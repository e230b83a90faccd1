"""`manage.py load_demo`."""

from typing import Any

from django.utils import timezone

from cdc.commands import FeedCommand
from stories.demo_stories import fill
from users.demo import ensure_demo_people


class Command(FeedCommand):
    help = (
        "Create 200 demo stories and four demo users, and print the logins of the users. If some "
        "users exist, create only the others. If at least 150 demo stories exist, create no story."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        made = fill(timezone.now())
        self.stdout.write(
            f"{made} demo stories created." if made else "Demo stories already exist."
        )
        for login in ensure_demo_people():
            if login.password:
                self.stdout.write(f"{login.email}  password {login.password}  ({login.role})")
            else:
                self.stdout.write(
                    f"{login.email}  already exists ({login.role}); set a new password with "
                    f"`manage.py changepassword {login.email}`"
                )
