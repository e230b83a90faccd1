"""The site behind nginx with TLS, with the configuration file that the project ships."""

import http.client
import socket
import time
from urllib.parse import urlsplit

import pytest
from axes.models import AccessAttempt

from tests.cdc.feed.frames import Frames
from tests.support.https_client import SECONDS, HttpsClient
from tests.support.nginx import Nginx
from tests.support.web import Topic
from users.models import User, UserType

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct-horse-7"


@pytest.fixture
def worker(transactional_db: None) -> User:
    return User.objects.create_user(
        "w@people.example", PASSWORD, name="W", user_type=UserType.TECHNICAL_WORKER
    )


def client(proxy: Nginx, address: str = "127.0.0.1") -> HttpsClient:
    return HttpsClient(url=proxy.url, certificate=proxy.certificate, address=address)


def read_feed(visitor: HttpsClient, last_id: str = "") -> http.client.HTTPResponse:
    connection = visitor.connect()
    headers = {"Cookie": visitor.cookie_header}
    if last_id:
        headers["Last-Event-ID"] = last_id
    connection.request("GET", "/feed/stream", headers=headers)
    return connection.getresponse()


def read_until(response: http.client.HTTPResponse, frames: Frames, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(frames.places) < count:
        assert time.monotonic() < deadline, frames.events[-3:]
        frames.feed(response.read1(65_536))


def test_a_user_logs_in_and_the_feed_is_forwarded_at_once(
    proxy: Nginx, topic: Topic, worker: User
) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=SECONDS)
    plain.request("GET", "/feed/?op=c", headers={"Host": "localhost"})
    moved = plain.getresponse()
    assert (moved.status, moved.headers["Location"]) == (301, f"{proxy.url}/feed/?op=c")

    visitor = client(proxy)
    asked = visitor.get("/feed/")
    assert (asked.status, asked.location) == (302, "/login/?next=/feed/")
    assert "max-age" in asked.headers["Strict-Transport-Security"]
    done = visitor.post("/login/?next=/feed/", username=worker.email, password=PASSWORD)
    assert (done.status, done.location) == (302, "/feed/"), done.text
    assert all("Secure" in line for line in done.headers.get_all("Set-Cookie") or ["missing"])
    assert visitor.get("/feed/").status == 200

    stream, frames = read_feed(visitor), Frames()
    while not frames.named("here"):
        frames.feed(stream.read1(65_536))
    for number in range(1, 4):
        topic.publish(1)
        read_until(stream, frames, number)  # the change arrives before the next one is published
    stream.close()
    topic.publish(50)
    resumed = Frames()
    read_until(read_feed(visitor, frames.last_id), resumed, 50)
    places = [*frames.places, *resumed.places]
    assert sorted(places) == sorted(topic.everything)


def test_each_client_has_its_own_address(proxy: Nginx, worker: User) -> None:
    guesser = client(proxy, "127.0.0.5")
    for number in range(5):
        guesser.post("/login/", username=worker.email, password=f"wrong {number}")
    attempts = AccessAttempt.objects.values_list("ip_address", flat=True)
    assert set(attempts) == {"127.0.0.5"}
    locked = guesser.post("/login/", username=worker.email, password=PASSWORD)
    assert locked.status in {403, 429}

    forged = client(proxy, "127.0.0.6")
    forged.get("/login/", X_Forwarded_For="127.0.0.5")
    done = forged.post("/login/", username=worker.email, password=PASSWORD)
    assert done.status == 302


def test_probes_and_slow_clients_do_not_pass(proxy: Nginx) -> None:
    visitor = client(proxy)
    for path in ("/metrics", "/readyz"):
        assert visitor.get(path, X_Forwarded_For="127.0.0.1").status == 404
    port = urlsplit(proxy.plain_url).port or 0
    with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert slow.recv(1_000) == b""
