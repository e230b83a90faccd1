"""Limits on what an account, or a client's network, may try per hour (docs/decisions/0025)."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from django.utils import timezone

from users.models import ResetRequest

WINDOW = timedelta(hours=1)


class Reached(Enum):
    """Which limit an attempt has reached."""

    ACCOUNT = auto()
    NETWORK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The number of attempts for one purpose in a sliding window of an hour."""

    purpose: str
    per_account: int
    per_network: int | None
    """None if networks are not limited."""

    def admit(self, email: str, network: str) -> bool:
        """Record an attempt and return True, or return False if a limit is reached."""
        return self.reached(email, network) is None

    def reached(self, email: str, network: str) -> Reached | None:
        """Record an attempt and return None, or return which limit is reached.

        An empty `email` or `network` is not limited. Attempts for unknown e-mail addresses count
        too, so that the limit does not reveal which accounts exist.
        """
        since = timezone.now() - WINDOW
        ResetRequest.objects.filter(at__lt=since).delete()
        attempts = ResetRequest.objects.filter(at__gte=since, purpose=self.purpose)
        # The attempt is recorded before it is counted, so that simultaneous attempts see each
        # other. A refused attempt does not count: otherwise, the limit would never end.
        mine = ResetRequest.objects.create(purpose=self.purpose, email=email, address=network)
        limits = (
            (
                Reached.NETWORK,
                attempts.filter(address=network),
                self.per_network if network else None,
            ),
            (Reached.ACCOUNT, attempts.filter(email=email), self.per_account if email else None),
        )
        for reached, rows, limit in limits:
            if limit is not None and rows.count() > limit:
                mine.delete()
                return reached
        return None


RESET = Limit(purpose="reset", per_account=3, per_network=20)
# Many people might register from one network, such as a school's.
REGISTRATION = Limit(purpose="registration", per_account=20, per_network=100)
PASSWORD_CHANGE = Limit(purpose="password", per_account=10, per_network=None)
