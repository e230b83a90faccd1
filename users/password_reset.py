"""Limits on password reset mails, and the thread that sends them (docs/decisions/0025)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.utils import timezone

from users.models import ResetRequest

WINDOW = timedelta(hours=1)
MAX_PER_ACCOUNT = 3
MAX_PER_ADDRESS = 20
# One thread sends the mails. Before the process exits, the thread sends the mails in its queue.
mail_thread = ThreadPoolExecutor(1, thread_name_prefix="mail")


def may_request_reset(email: str, address: str) -> bool:
    """Return whether `email` and the client's `address` are below their limits.

    An allowed request is recorded. Requests for unknown e-mail addresses count too, so that the
    limit does not reveal which accounts exist.
    """
    since = timezone.now() - WINDOW
    ResetRequest.objects.filter(at__lt=since).delete()
    recent = ResetRequest.objects.filter(at__gte=since)
    if recent.filter(email=email).count() >= MAX_PER_ACCOUNT:
        return False
    if recent.filter(address=address).count() >= MAX_PER_ADDRESS:
        return False
    ResetRequest.objects.create(email=email, address=address)
    return True
