"""Filters that are kept in the address of a list."""

from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.generic import ListView

M = TypeVar("M", bound=Model)


def link(values: dict[str, str]) -> str:
    """Return the query of an address, without empty values. It is `?` if nothing is left."""
    return "?" + urlencode({name: value for name, value in values.items() if value})


def prefix(values: dict[str, str]) -> str:
    """Return the query to which a page number is appended; empty if no filter is used."""
    query = link(values).removeprefix("?")
    return f"{query}&" if query else ""


class FilteredListView(ListView[M]):
    """If the URL has empty parameters, redirects to the same URL without them."""

    def get(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        used = [(name, value) for name, values in request.GET.lists() for value in values]
        if all(value for _, value in used):
            return super().get(request, *args, **options)
        query = urlencode([(name, value) for name, value in used if value])
        return HttpResponseRedirect(f"{request.path}?{query}" if query else request.path)
