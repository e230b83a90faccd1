"""A client that keeps cookies and checks the server's certificate, if there is one."""

import http.client
import re
import ssl
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode, urlsplit

SECONDS = 90.0
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response that has been read."""

    status: int
    location: str
    text: str
    headers: http.client.HTTPMessage


@dataclass(slots=True, kw_only=True)
class HttpsClient:
    """A client that uses one address of this machine. It follows no redirects."""

    url: str
    certificate: Path | None = None
    """The certificate of the CA, if the URL starts with https."""
    address: str = "127.0.0.1"
    """The client's own address, any in 127.0.0.0/8."""
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self._request("GET", path, "", headers)

    def post(self, path: str, **data: str) -> Answer:
        """Open the form at `path`, and send it as a browser does."""
        found = _CSRF.search(self.get(path).text)
        assert found
        body = urlencode({"csrfmiddlewaretoken": found[1], **data})
        kind = "application/x-www-form-urlencoded"
        return self._request("POST", path, body, {"Content-Type": kind, "Origin": self.url})

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, source = parts.hostname or "", (self.address, 0)
        if self.certificate is None:
            return http.client.HTTPConnection(
                host, parts.port, timeout=SECONDS, source_address=source
            )
        context = ssl.create_default_context(cafile=str(self.certificate))
        return http.client.HTTPSConnection(
            host, parts.port, timeout=SECONDS, context=context, source_address=source
        )

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _request(self, method: str, path: str, body: str, headers: dict[str, str]) -> Answer:
        connection = self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, {**named, "Cookie": self.cookie_header})
        response = connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or []:
            self.cookies.update({name: each.value for name, each in SimpleCookie(line).items()})
        answer = Answer(
            status=response.status,
            location=response.headers.get("Location", ""),
            text=response.read().decode(),
            headers=response.headers,
        )
        connection.close()
        return answer
