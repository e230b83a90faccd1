"""E-mails to account owners, sent in a thread so that no response waits for them."""

import logging
from concurrent.futures import ThreadPoolExecutor, wait
from email.errors import MessageError
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.http import HttpRequest
from django.http.request import split_domain_port

_logger = logging.getLogger(__name__)
# One thread sends the e-mails. When a web process stops, it waits for the queue for a few seconds.
mail_thread = ThreadPoolExecutor(1, thread_name_prefix="mail")

_BODY = (
    "The {what} of your account was changed. If you did not request this, reset your password and "
    "inform an admin."
)


def host_in_links(request: HttpRequest) -> str:
    """Return the host for links in e-mails: the host of the request, with a port of this site.

    A client can write any port into the header, because Django checks only the name. Another
    program might listen on another port. The ports of the site are the default port, the port of
    this server if clients reach it without TLS, and those in `CSRF_TRUSTED_ORIGINS`.
    """
    host = request.get_host()
    name, port = split_domain_port(host)
    # TLS ends at a proxy, so the port of this server is not the port of the site.
    own = "" if request.is_secure() else request.get_port()
    origins = [urlsplit(origin).netloc.lower() for origin in settings.CSRF_TRUSTED_ORIGINS]
    if port in {"", own} or f"{name}:{port}" in origins:
        return host
    return f"{name}:{own}" if own.isdecimal() else name


def announce_change(what: str, to: str) -> None:
    """Queue an e-mail announcing that an account's password or e-mail address was changed.

    If the e-mail cannot be sent, the error is logged without the address.
    """
    mail_thread.submit(_send, f"Your {what} was changed", _BODY.format(what=what), to)


def send_queued(seconds: float) -> None:
    """Wait until the queued e-mails are sent. After `seconds`, log that some are lost."""
    if not wait([mail_thread.submit(int)], max(seconds, 0.0)).done:
        _logger.warning("The process ended before the mail server had accepted all e-mails.")


def _send(subject: str, body: str, to: str) -> None:
    try:
        send_mail(subject, body, None, [to])
    except (SMTPException, OSError, MessageError, ValueError) as error:
        _logger.warning("An e-mail about a changed account was not sent: %s", type(error).__name__)
