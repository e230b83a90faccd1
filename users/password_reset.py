"""The limit on password reset mails (docs/decisions/0025)."""

from users.limits import RESET, WINDOW
from users.mail import mail_thread

__all__ = ["MAX_PER_ACCOUNT", "MAX_PER_ADDRESS", "WINDOW", "mail_thread", "may_request_reset"]

MAX_PER_ACCOUNT, MAX_PER_ADDRESS = RESET.per_account, RESET.per_network


def may_request_reset(email: str, address: str) -> bool:
    """Return whether `email` and the client's `address` are below their limits.

    An allowed request is recorded.
    """
    return RESET.admit(email, address)
