"""The client address of a request. Only trusted proxies may forward a client address."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

_FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


def client_address(request: HttpRequest) -> str:
    """Return the address of the client.

    `X-Forwarded-For` is read from its end. Only the parts that proxies in `TRUSTED_PROXIES` wrote
    are used, so a client cannot forge its address.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    while forwarded and _is_trusted(address) and _is_address(forwarded[-1]):
        address = forwarded.pop()
    return address


def is_from_this_machine(request: HttpRequest) -> bool:
    """Return whether the request comes directly from a program on this machine.

    A request that came through a proxy never counts as local. Otherwise, every client of a local
    proxy that is missing in `TRUSTED_PROXIES` would count as local.
    """
    proxied = any(name in request.headers for name in _FORWARDING)
    return not proxied and is_loopback(str(request.META.get("REMOTE_ADDR") or ""))


def is_loopback(address: str) -> bool:
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
