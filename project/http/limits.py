"""Limits on what a request may contain; `project.http.request_body` limits its size."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.decorators import sync_and_async_middleware

_LONGEST_TARGET = 8_190
Handler = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def limit_addresses(get_response: Handler) -> Handler:
    """Refuse requests whose URL is too long, with status 414."""
    if not iscoroutinefunction(get_response):
        return lambda request: _refusal(request) or get_response(request)

    async def middleware(request: HttpRequest) -> Any:
        return _refusal(request) or await get_response(request)

    return middleware


class NoUploads(FileUploadHandler):
    """Refuses forms that contain files, with status 400. No form of the site has a file field."""

    def new_file(self, *args: Any, **options: Any) -> None:
        raise MultiPartParserError("This site does not accept files.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Do nothing: `new_file` has already refused the file."""

    def file_complete(self, file_size: int) -> None:
        """Do nothing: `new_file` has already refused the file."""


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if len(request.path) + len(request.META.get("QUERY_STRING", "")) <= _LONGEST_TARGET:
        return None
    return HttpResponse(
        f"The address is too long: it may have at most {_LONGEST_TARGET} characters.\n",
        status=HTTPStatus.REQUEST_URI_TOO_LONG,
        content_type="text/plain; charset=utf-8",
    )
