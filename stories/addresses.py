"""The addresses of stories. The same page must not be submitted twice."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from django.db import router, transaction
from django.utils import timezone

from stories.models import AddressLock, Story

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = frozenset({"fbclid", "gclid", "dclid", "msclkid", "igshid", "mc_cid", "mc_eid"})
_KEY_DIGITS = 2
_UNESCAPED = "/:@!$&'()*+,;=~-._%?"


def canonical(address: str) -> str:
    """Return a web address without the parts that do not affect which page it opens.

    Remove the default port, parameters that track visitors, and the fragment, unless the fragment
    is the path of an application, such as `#!/page`. Write the host in lower case.
    """
    parts = _split(address)
    if parts is None:
        return address
    fragment = parts.fragment if parts.fragment.startswith(("!", "/")) else ""
    changed = parts._replace(
        netloc=_host(parts), path=parts.path or "/", query=_query(parts.query), fragment=fragment
    )
    return changed.geturl()


def submitted_before(address: str, *, apart_from: int | None = None) -> Story | None:
    """Return the first story that links to the same page, or None."""
    stories = Story.objects.filter(link__in=_variants(address)).exclude(pk=apart_from)
    key = _key(address)
    # MySQL ignores case when it compares, but case matters in a path.
    return next((story for story in stories.order_by("pk") if _key(story.link) == key), None)


@contextmanager
def alone_with(address: str) -> Iterator[None]:
    """Open a transaction in which no other request can submit the same page.

    The lock is one of at most 256 rows, which are created once and never deleted. A row for each
    transaction could deadlock: in InnoDB, transactions that wait for a row that is then deleted
    lock the gap around it, in which none of them can insert.
    """
    using = router.db_for_write(AddressLock)
    key = hashlib.sha256(_key(address).encode(errors="replace")).hexdigest()[:_KEY_DIGITS]
    rows = AddressLock.objects.using(using).filter(key=key)
    if not rows.exists():
        AddressLock.objects.using(using).bulk_create([AddressLock(key=key)], ignore_conflicts=True)
    with transaction.atomic(using=using):
        rows.update(at=timezone.now())
        yield


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in _DEFAULT_PORTS and parts.hostname else None


def _host(parts: SplitResult) -> str:
    user, at, _ = parts.netloc.rpartition("@")
    host = (parts.hostname or "").removesuffix(".")
    host = f"[{host}]" if ":" in host else host
    port = parts.port if parts.port != _DEFAULT_PORTS[parts.scheme] else None
    return f"{user}{at}{host}{'' if port is None else f':{port}'}"


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [pair for pair in pairs if not _traces(pair[0])]
    return query if len(kept) == len(pairs) else urlencode(kept)


def _traces(name: str) -> bool:
    return name in _TRACKING or name.startswith("utm_")


def _key(address: str) -> str:
    """Return a string that is the same for all addresses of a page."""
    parts = _split(canonical(address))
    if parts is None:
        return address
    host = parts.netloc.removeprefix("www.")
    rest = unquote(parts._replace(scheme="", netloc="", path=parts.path.rstrip("/")).geturl())
    return f"{host}{rest}"


def _variants(address: str) -> set[str]:
    """Return the addresses under which the page may be stored."""
    parts = _split(canonical(address))
    if parts is None:
        return {address}
    bare = parts.netloc.removeprefix("www.")
    path = parts.path.rstrip("/")
    found = {
        parts._replace(scheme=scheme, netloc=f"{www}{bare}", path=f"{path}{slash}").geturl()
        for scheme, www, slash in product(_DEFAULT_PORTS, ("", "www."), ("", "/"))
    }
    found |= {quote(each, safe=_UNESCAPED) for each in found} | {unquote(each) for each in found}
    return {address, *found}
