"""Mails to the owners of accounts, sent in a thread so that no response waits for them."""

import logging
from concurrent.futures import ThreadPoolExecutor
from email.errors import MessageError
from smtplib import SMTPException

from django.core.mail import send_mail

_logger = logging.getLogger(__name__)
# One thread sends the mails. Before the process exits, the thread sends the mails in its queue.
mail_thread = ThreadPoolExecutor(1, thread_name_prefix="mail")

_BODY = (
    "The {what} of your account was changed. If you did not request this, reset your password and "
    "inform an admin."
)


def announce_change(what: str, to: str) -> None:
    """Queue a mail which says that the password or the e-mail address of an account was changed.

    If the mail cannot be sent, the error is logged without the address.
    """
    mail_thread.submit(_send, f"Your {what} was changed", _BODY.format(what=what), to)


def _send(subject: str, body: str, to: str) -> None:
    try:
        send_mail(subject, body, None, [to])
    except (SMTPException, OSError, MessageError, ValueError) as error:
        _logger.warning("A mail about a changed account was not sent: %s", type(error).__name__)
