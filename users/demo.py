"""The demo users: one of each type, and an admin."""

import secrets
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password

from users.models import User, UserType

CUSTOMER = "customer@storyfeed.example"
_PEOPLE = (
    (CUSTOMER, "Cleo Customer", UserType.CUSTOMER, False),
    ("technical@storyfeed.example", "Toni Technical", UserType.TECHNICAL_WORKER, False),
    ("management@storyfeed.example", "Maren Management", UserType.SENIOR_MANAGEMENT, False),
    ("admin@storyfeed.example", "Adi Admin", UserType.TECHNICAL_WORKER, True),
)
_PASSWORD_BYTES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    """The login of a demo user."""

    email: str
    role: str
    password: str | None
    """None for an account that already existed, because only the hash of its password is stored."""


def ensure_demo_people() -> list[DemoLogin]:
    """Create all missing demo users together, with random passwords. Return all logins."""
    emails = [person[0] for person in _PEOPLE]
    existing = set(User.objects.filter(email__in=emails).values_list("email", flat=True))
    passwords = {email: secrets.token_urlsafe(_PASSWORD_BYTES) for email in emails}
    # Hashing is slow, so a run may be interrupted. One statement creates all accounts after the
    # hashing: an interrupted run must not leave accounts whose passwords it has not printed.
    User.objects.bulk_create(
        [
            User(
                email=email,
                name=name,
                user_type=user_type,
                is_staff=superuser,
                is_superuser=superuser,
                password=make_password(passwords[email]),
            )
            for email, name, user_type, superuser in _PEOPLE
            if email not in existing
        ]
    )
    return [
        DemoLogin(
            email=email,
            role="admin" if superuser else str(user_type.label),
            password=None if email in existing else passwords[email],
        )
        for email, _, user_type, superuser in _PEOPLE
    ]
