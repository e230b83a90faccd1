"""Refuses requests that would otherwise end with an error of the server."""

import codecs

from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

_MOST_DIGITS = 18
_EXPRESSIONS = ("__regex", "__iregex")


class OddRequestsMiddleware(MiddlewareMixin):
    """Answers requests of these kinds with status 400.

    - The request names another encoding than UTF-8. Django would also decode the query string with
      this encoding, and some encodings yield characters that no database can store.
    - The length of the body is not a number.
    - `_to_field`, the column by which the admin finds a row, is empty.
    - The admin's filter has a regular expression. The admin has no such filter. A database refuses
      some expressions, and takes very long for others.
    """

    def process_request(self, request: HttpRequest) -> None:
        charset = (request.content_params or {}).get("charset", "")
        if charset and not _is_utf_8(charset):
            raise BadRequest("The request is not encoded in UTF-8.")
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        if not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
            raise BadRequest("The length of the body is not a number.")

    def process_view(self, request: HttpRequest, *_: object) -> None:
        match = request.resolver_match
        if match is None or "admin" not in match.namespaces:
            return
        if "" in {values.get(TO_FIELD_VAR) for values in (request.GET, request.POST)}:
            raise BadRequest("The column of the row is empty.")
        if any(name.endswith(_EXPRESSIONS) for name in request.GET):
            raise BadRequest("The filter has a regular expression.")


def _is_utf_8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in {"utf-8", "ascii"}
    except (LookupError, ValueError):
        return True  # Django ignores an unknown encoding, and uses UTF-8.
