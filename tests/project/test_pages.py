"""No page contains inline scripts or styles, is heavy, or loads anything from other sites."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from project.http.static_files import BUNDLES, bundle
from tests.support.static_files import plain_static_files

pytestmark = pytest.mark.django_db
PATHS = ("/", "/login/", "/login/?next=/admin/", "/register/", "/password/reset/", "/nothing/")
MOST_REQUESTS = 10
MOST_BYTES = 100_000


@pytest.fixture(autouse=True)
def static_files() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.mark.parametrize("address", PATHS)
def test_page_has_nothing_inline_or_from_other_sites(client: Client, address: str) -> None:
    page = client.get(address).content.decode()
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\s(style|on\w+)=", page)
    assert not re.search(r"(src|href|action)=[\"'](https?:)?//", page)


@pytest.mark.parametrize("address", PATHS)
def test_page_is_light(client: Client, address: str) -> None:
    page = client.get(address).content
    names = set(re.findall(r"[\"']/static/([^\"']+)", page.decode()))
    assert len(names) + 1 <= MOST_REQUESTS
    texts = [bundle(name, read) if name in BUNDLES else read(name) for name in names]
    bodies = [page, *(text.encode() for text in texts)]
    assert sum(len(gzip.compress(body)) for body in bodies) <= MOST_BYTES


def read(name: str) -> str:
    path = finders.find(name)
    assert path, name
    return Path(path).read_text()
