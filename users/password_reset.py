"""Links for a new password: not many for one address, and mailed when the answer is on its way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.utils import timezone

from users.models import ResetRequest

WINDOW = timedelta(hours=1)
MOST_FOR_ACCOUNT = 3
MOST_FROM_ADDRESS = 20
# How long a mail server takes would tell who has an account. One thread: mails wait in its queue,
# which the end of the process empties.
post_office = ThreadPoolExecutor(1, thread_name_prefix="mail")


def may_ask(email: str, address: str) -> bool:
    """Count one more request; False when there were too many lately, for either.

    Whether an account has the e-mail address plays no part.
    """
    since = timezone.now() - WINDOW
    ResetRequest.objects.filter(at__lt=since).delete()
    lately = ResetRequest.objects.filter(at__gte=since)
    if lately.filter(email=email).count() >= MOST_FOR_ACCOUNT:
        return False
    if lately.filter(address=address).count() >= MOST_FROM_ADDRESS:
        return False
    ResetRequest.objects.create(email=email, address=address)
    return True
