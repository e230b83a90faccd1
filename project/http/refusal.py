"""One-sentence plain-text answers to requests that never reach Django."""

import random
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import Counter, disable_created_metrics

from project.http.asgi_types import Send

disable_created_metrics()  # type: ignore[no-untyped-call]
_LATEST_RETRY_SECONDS = 10
REFUSED_REQUESTS = Counter(
    "storyfeed_refused_requests",
    "Requests that were refused before Django handled them, for example during an overload.",
    ["status"],
    registry=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    status: HTTPStatus
    sentence: str
    close: bool = False
    """Whether to close the connection."""

    async def send(self, send: Send) -> None:
        """Send the response. A client that may try again gets a random `Retry-After`.

        The clients of one burst therefore do not return at the same moment.
        """
        REFUSED_REQUESTS.labels(self.status.value).inc()
        body = f"{self.sentence}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            seconds = random.randint(1, _LATEST_RETRY_SECONDS)  # noqa: S311 -- no secret
            headers.append((b"retry-after", b"%d" % seconds))
        if self.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


BUSY = Refusal(
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    sentence="The site is busy: try again in a few seconds.",
)
