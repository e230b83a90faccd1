"""Refuses requests that would otherwise cause a server error."""

import codecs
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import BadRequest, ValidationError
from django.db import Error
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

_MOST_DIGITS = 18
_UNUSABLE_FILTER = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError, Error)
_LOOKUPS = ("__regex", "__iregex")


class OddRequestsMiddleware(MiddlewareMixin):
    """Answers requests of these kinds with status 400.

    - The request names a known encoding other than UTF-8 and ASCII. Django would also decode the
      query string with this encoding, and some encodings yield characters that no database can
      store.
    - The length of the body is not a number of at most 18 digits.
    - `_to_field`, the column by which the admin finds a row, is empty.
    - An action of an admin list contains a key that no row can have.
    - A filter in the URL of an admin list has a regular expression. The admin has no such filter,
      and a database takes very long to evaluate some expressions.
    - A filter in the URL of an admin list cannot be applied. Django checks only some filters.
    """

    def process_request(self, request: HttpRequest) -> None:
        charset = (request.content_params or {}).get("charset", "")
        if charset and not _is_utf_8(charset):
            raise BadRequest("The request is not encoded in UTF-8.")
        if charset:
            # Django refuses a form that names ASCII, or UTF-8 by another name, such as `utf8`.
            request.encoding = "utf-8"
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        if not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
            raise BadRequest("The length of the body is not a number.")

    def process_view(self, request: HttpRequest, *_: object) -> None:
        match = request.resolver_match
        if match is None or "admin" not in match.namespaces:
            return
        if "" in {values.get(TO_FIELD_VAR) for values in (request.GET, request.POST)}:
            raise BadRequest(f"The parameter {TO_FIELD_VAR} is empty.")
        if any(name.endswith(_LOOKUPS) for name in request.GET):
            raise BadRequest("The admin has no such filter.")
        if not _are_keys(request.POST.getlist(ACTION_CHECKBOX_NAME), match.func):
            raise BadRequest("The selection contains an invalid key.")

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        if is_list and request.GET and isinstance(error, _UNUSABLE_FILTER):
            raise BadRequest("The filter in the URL cannot be applied.") from error


def _are_keys(texts: list[str], view: Any) -> bool:
    """Return whether all strings can be keys of the model of an admin view."""
    model_admin = getattr(view, "model_admin", None)
    try:
        for text in texts if model_admin else ():
            model_admin.model._meta.pk.clean(text, None)  # type: ignore[union-attr]
    except ValidationError:
        return False
    return True


def _is_utf_8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in {"utf-8", "ascii"}
    except (LookupError, ValueError):
        return True  # Django ignores an unknown encoding, and uses UTF-8.
