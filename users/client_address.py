"""Where a request comes from, believing nobody but the trusted proxies."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

_FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


def client_address(request: HttpRequest) -> str:
    """Return the address of the client.

    `X-Forwarded-For` is read from its end, and only as far as `TRUSTED_PROXIES` wrote it: whatever
    a client put there itself changes nothing.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    told = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    while told and _is_trusted(address) and _is_address(told[-1]):
        address = told.pop()
    return address


def is_from_this_machine(request: HttpRequest) -> bool:
    """Whether a program on this machine asks directly.

    What came through a proxy did not, whoever it is said to be for: a proxy beside the site that
    was not named in `TRUSTED_PROXIES` would make everybody local.
    """
    told = any(name in request.headers for name in _FORWARDING)
    return not told and is_loopback(str(request.META.get("REMOTE_ADDR") or ""))


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    return _is_address(address) and ip_address(address).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(address: str) -> bool:
    return _is_address(address) and any(
        ip_address(address) in ip_network(proxy) for proxy in _proxies()
    )


def _proxies() -> tuple[str, ...]:
    proxies: tuple[str, ...] = settings.ENVIRONMENT.trusted_proxies
    return proxies
