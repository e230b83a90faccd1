"""No page contains inline scripts or styles, or loads anything from other sites."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.support.static_files import plain_static_files

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def static_files() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.mark.parametrize(
    "address", ["/", "/login/", "/login/?next=/admin/", "/register/", "/password/reset/"]
)
def test_page_has_nothing_inline_or_from_other_sites(client: Client, address: str) -> None:
    page = client.get(address).content.decode()
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\s(style|on\w+)=", page)
    assert not re.search(r"(src|href|action)=[\"'](https?:)?//", page)


@pytest.mark.parametrize("address", ["/", "/login/"])
def test_static_files_of_a_page_exist(client: Client, address: str) -> None:
    files = set(re.findall(r"[\"']/static/([^\"']+)", client.get(address).content.decode()))
    assert len(files) == 7
    assert all(finders.find(file) for file in files)
