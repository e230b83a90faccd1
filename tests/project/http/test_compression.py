"""Pages are compressed, and their length reveals no secret. Streams and files are left alone."""

import gzip
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import Client, RequestFactory

from project.http.compression import PageCompressionMiddleware
from tests.support.reports import drained
from tests.support.static_files import plain_static_files

ACCEPTS = {"accept-encoding": "gzip, br"}
LONG = b"<p>a heron</p>" * 100


def answered(response: HttpResponseBase, headers: dict[str, str] = ACCEPTS) -> Any:
    def view(_: HttpRequest) -> HttpResponseBase:
        return response

    return PageCompressionMiddleware(view)(RequestFactory(headers=headers).get("/"))


async def parts() -> AsyncIterator[bytes]:
    yield LONG
    yield LONG


@pytest.mark.django_db
def test_a_page_is_compressed_if_the_browser_accepts_it(client: Client) -> None:
    with plain_static_files():
        plain, compressed = client.get("/login/"), client.get("/login/", headers=ACCEPTS)
    assert not plain.has_header("Content-Encoding")
    assert compressed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain["Vary"]
    assert "Accept-Encoding" in compressed["Vary"]
    assert len(compressed.content) == int(compressed["Content-Length"]) < len(plain.content) / 2
    assert gzip.decompress(compressed.content).lower().startswith(b"<!doctype html>")


@pytest.mark.django_db
def test_the_length_and_the_token_of_a_page_differ_each_time(client: Client) -> None:
    with plain_static_files():
        pages = [client.get("/login/", headers=ACCEPTS).content for _ in range(20)]
    assert len({len(page) for page in pages}) > 1
    tokens = [re.findall(rb'csrfmiddlewaretoken" value="(\w+)"', gzip.decompress(p)) for p in pages]
    assert all(tokens)
    assert len({found[0] for found in tokens}) == len(pages)


@pytest.mark.parametrize("kind", ["text/csv", "text/event-stream", "text/html; charset=utf-8"])
def test_a_stream_is_passed_on_in_parts(kind: str) -> None:
    response = answered(StreamingHttpResponse(parts(), content_type=kind))
    assert drained(response.streaming_content) == 2 * LONG
    assert not response.has_header("Content-Encoding")
    assert not response.has_header("Vary")


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/json", "text/csv"])
def test_only_pages_are_compressed(kind: str) -> None:
    response = answered(HttpResponse(LONG, content_type=kind))
    assert (response.content, response.has_header("Content-Encoding")) == (LONG, False)


def test_a_fragment_of_a_page_is_compressed() -> None:
    assert gzip.decompress(answered(HttpResponse(LONG)).content) == LONG
