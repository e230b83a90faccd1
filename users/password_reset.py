"""The limit on password reset mails, and the thread that sends them (docs/decisions/0025)."""

from concurrent.futures import ThreadPoolExecutor

from users.limits import RESET, WINDOW

__all__ = ["MAX_PER_ACCOUNT", "MAX_PER_ADDRESS", "WINDOW", "mail_thread", "may_request_reset"]

MAX_PER_ACCOUNT, MAX_PER_ADDRESS = RESET.per_account, RESET.per_network
# One thread sends the mails. Before the process exits, the thread sends the mails in its queue.
mail_thread = ThreadPoolExecutor(1, thread_name_prefix="mail")


def may_request_reset(email: str, address: str) -> bool:
    """Return whether `email` and the client's `address` are below their limits.

    An allowed request is recorded.
    """
    return RESET.admit(email, address)
