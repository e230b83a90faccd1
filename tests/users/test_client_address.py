"""The address of a client, behind proxies or not; nothing that a client sends can forge it."""

import pytest
from django.test import RequestFactory

from users.client_address import (
    client_address,
    client_network,
    is_from_this_machine,
    is_loopback,
)

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:172.16.0.0/108")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", None, "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.2", "203.0.113.9", "192.0.2.2"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9,10.9.9.9", "203.0.113.9"),
        ("10.0.0.1", " 203.0.113.9 ,  10.9.9.9 , 192.0.2.1 ", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("2001:db8::1", "2001:db9::7", "2001:db9::7"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db9::7]:443, 10.0.0.2:80", "2001:db9::7"),
        ("10.0.0.1", "[2001:db9::7]", "2001:db9::7"),
        ("10.0.0.1", "2001:DB9:0::7", "2001:db9::7"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("[::ffff:10.0.0.1]:5000", "203.0.113.9", "203.0.113.9"),
        ("172.16.0.9", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9:", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:port", "10.0.0.1"),
        ("10.0.0.1", "[203.0.113.9", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, <script>", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, ", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, 1\u0662.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9 198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", "0x7f000001", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, " * 2_000 + "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", ", ".join(["10.0.0.2"] * 2_000), "10.0.0.2"),
        ("", "203.0.113.9", ""),
        ("a socket", "203.0.113.9", "a socket"),
    ],
)
def test_only_what_a_trusted_proxy_wrote_counts(
    monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str | None, expected: str
) -> None:
    monkeypatch.setattr("users.client_address._proxies", lambda: PROXIES)
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)

    assert client_address(request) == expected


def test_a_request_without_an_address_has_none() -> None:
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]

    assert client_address(request) == ""
    assert not is_from_this_machine(request)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("::2", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_this_machine_has_the_loopback_addresses(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
    assert is_from_this_machine(RequestFactory().get("/", REMOTE_ADDR=address)) is expected


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"]
)
def test_what_came_through_a_proxy_is_not_from_this_machine(header: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", headers={header: "127.0.0.1"})

    assert not is_from_this_machine(request)


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db9:1:2::1", "2001:db9:1:2::"),
        ("2001:db9:1:2:ffff:ffff:ffff:ffff", "2001:db9:1:2::"),
        ("2001:db9:1:3::1", "2001:db9:1:3::"),
        ("[2001:db9:1:2::9]:443", "2001:db9:1:2::"),
        ("::1", "::"),
        ("", "192.0.0.8"),
        ("a socket", "192.0.0.8"),
    ],
)
def test_attempts_are_counted_for_a_network(peer: str, network: str) -> None:
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=peer)) == network


@pytest.mark.parametrize("number", range(3))
def test_a_proxy_that_is_not_trusted_forwards_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("users.client_address._proxies", tuple)
    headers = {"X-Forwarded-For": f"203.0.113.{number}"}
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers=headers)
    assert client_network(request) == "10.0.0.1"
