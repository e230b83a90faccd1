"""Compresses pages, and nothing else that a view returns."""

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """Compresses HTML if the browser accepts it; other responses stay as they are.

    Django would compress each part of a stream by itself. Browsers read only the first part of such
    a file, and events would wait for each other (docs/decisions/0038).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not is_page:
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed
