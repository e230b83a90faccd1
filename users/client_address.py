"""The client address of a request. Only trusted proxies may forward a client address."""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

_FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
# Some proxies append the port of the client, and then write IPv6 addresses in brackets.
_WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]*)\](:\d{1,5})?|(?P<v4>[\d.]+):\d{1,5}", re.ASCII)
_UNKNOWN = "192.0.0.8"  # IANA's dummy address, which no client has
_CUSTOMER_PREFIX = 64
_MAPPED_PREFIX = 96

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(request: HttpRequest) -> str:
    """Return the address of the client.

    `X-Forwarded-For` is read from its end. Only the parts that proxies in `TRUSTED_PROXIES` wrote
    are used, so a client cannot forge its address. An IPv4 address that is mapped to IPv6 is
    returned as IPv4.
    """
    peer = str(request.META.get("REMOTE_ADDR") or "")
    address = _parse(peer)
    if address is None:
        return peer
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    while forwarded and _is_trusted(address):
        part = _parse(forwarded.pop())
        if part is None:
            break
        address = part
    return str(address)


def client_network(request: HttpRequest) -> str:
    """Return the address by which a client's attempts are counted.

    For IPv6, this is the first address of the /64 network: every customer of a provider has at
    least such a network, and can use a new address from it for each request. Clients without an
    address, such as those of a Unix socket, are counted together.
    """
    address = _parse(client_address(request))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _CUSTOMER_PREFIX), strict=False).network_address)
    return str(address or _UNKNOWN)


def is_from_this_machine(request: HttpRequest) -> bool:
    """Return whether the request comes directly from a program on this machine.

    A request that came through a proxy never counts as local. Otherwise, every client of a local
    proxy that is missing in `TRUSTED_PROXIES` would count as local.
    """
    proxied = any(name in request.headers for name in _FORWARDING)
    return not proxied and is_loopback(str(request.META.get("REMOTE_ADDR") or ""))


def is_loopback(address: str) -> bool:
    found = _parse(address)
    return found is not None and found.is_loopback


def _parse(text: str) -> Address | None:
    """Return an address without its port and its IPv6 zone, or None."""
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found["v6"] or found["v4"] or ""
    with suppress(ValueError):
        address = ip_address(text.partition("%")[0])
        return getattr(address, "ipv4_mapped", None) or address
    return None


def _is_trusted(address: Address) -> bool:
    return any(address in _network(proxy) for proxy in _proxies())


def _network(text: str) -> Network:
    """Return a network; a network of mapped IPv4 addresses is returned as IPv4."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        return ip_network((mapped, network.prefixlen - _MAPPED_PREFIX)) if mapped else network
    return network


def _proxies() -> tuple[str, ...]:
    proxies: tuple[str, ...] = settings.ENVIRONMENT.trusted_proxies
    return proxies
