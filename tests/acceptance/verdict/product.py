"""The product: relay, consumer and web process, on servers whose connections a test can cut."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from project.stack.ports import LOOPBACK, free_port
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, environment
from tests.acceptance.verdict.table import Row
from tests.acceptance.verdict.views import Scrape, Views
from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.databases import isolated_database
from tests.support.commands import wait_until
from tests.support.kafka import OwnKafka
from tests.support.proxy import Proxy
from tests.support.web import Web, session_of
from users.models import User, UserType

_POLL_SECONDS = 0.5
"""This is long, because a reading of the status uses much of a core, which the daemons need."""
_FAILING = "storyfeed_failing_processes"
Document = dict[str, object]


class Product(RunningFeed):
    """The running product, its views, and the proxies in front of its servers."""

    def __init__(
        self,
        settings: CdcSettings,
        folder: Path,
        environment: dict[str, str],
        proxies: dict[str, Proxy],
        web: Web,
    ) -> None:
        super().__init__(settings, folder, environment)
        self.proxies = proxies
        self._is_broken = False
        user = User.objects.create_user("w@people.example", user_type=UserType.TECHNICAL_WORKER)
        self.views = Views(web.url, session_of(user), _with_former_database(environment))

    @contextmanager
    def collection(self) -> Iterator[Collection[Document]]:
        """Yield the first replica collection. The connection uses no proxy."""
        with MongoClient[Document](self.settings.mongodb_uri) as client:
            yield client[self.settings.mongodb_database][self.settings.collections[0]]

    def story(self, title: str = "waits") -> Story:
        return Story.objects.create(title=title, href="http://example.org/")

    def wait_until_healthy(self, seconds: float = 120.0) -> Scrape:
        """Wait until nothing is wrong and nothing is in transit; return the metrics.

        Restart daemons that have ended, as a supervisor does: a consumer ends if Kafka has removed
        it from its group.
        """
        assert not self._is_broken, "an earlier condition has not ended"
        self._is_broken = True
        found: list[Scrape] = []

        def healthy() -> bool:
            time.sleep(_POLL_SECONDS)
            for daemon in (self.relay, self.consumer):
                if not daemon.alive():
                    daemon.start()
            if self.views.sentence().startswith("In sync:"):
                found.append(self.views.scrape())
            # The verdict does not mention a short failure, but the metrics count it.
            # A count that could not be read is left out.
            return bool(found) and found[-1].samples.get(_FAILING) == {(): 0.0}

        wait_until(healthy, "a healthy pipeline", seconds)
        self._is_broken = False
        return found[-1]

    def wait_until_agreed(self, row: Row, before: Scrape, seconds: float = 120.0) -> None:
        """Wait until all views show what the row documents."""
        deadline = time.monotonic() + seconds
        while found := self.views.disagreements(row, before):
            assert time.monotonic() < deadline, "\n".join([str(row), *found])
            self.tend()
            time.sleep(_POLL_SECONDS)


@contextmanager
def running_product(folder: Path, mongodb_uri: str) -> Iterator[Product]:
    """Yield a healthy product with five stories, its own database and its own broker."""
    with ExitStack() as stack:
        advertised = free_port()
        kafka = OwnKafka(
            folder / "kafka", f"advertised.listeners=BROKER://{LOOPBACK}:{advertised}\n"
        )
        kafka.install()
        stack.callback(kafka.kill)
        kafka.launch()
        settings = isolated_settings(f"{LOOPBACK}:{advertised}", mongodb_uri)
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(isolated_database(settings.group, folder))
        kafka.wait_ready()
        proxies = {"Kafka": stack.enter_context(Proxy(advertised, kafka.port))}
        direct = environment(settings, folder)
        through = dict(direct)
        for name, variable in (("MongoDB", "MONGODB_URI"), ("The database", "DATABASE_URL")):
            if direct[variable].startswith("sqlite"):
                continue
            target = urlsplit(direct[variable])
            assert target.port is not None
            proxies[name] = stack.enter_context(Proxy(free_port(), target.port))
            through[variable] = _through(direct[variable], proxies[name])
        web = Web(folder / "web.log", _with_former_database(through))
        product = Product(settings, folder, through, proxies, stack.enter_context(web))
        stack.callback(product.kill)
        product.consumer.wait_for("partition.taken")
        for number in range(5):
            product.story(f"story {number}")
        product.wait_until_equal()
        yield product


def _with_former_database(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "DJANGO_SETTINGS_MODULE": "tests.acceptance.verdict.settings"}


def _through(url: str, proxy: Proxy) -> str:
    """Return a URL with the address of a proxy."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    # Otherwise, the client would connect to the address that the replica set names.
    query = "directConnection=true" if parts.scheme == "mongodb" else parts.query
    netloc = f"{user}{at}{LOOPBACK}:{proxy.port}"
    return urlunsplit(parts._replace(netloc=netloc, query=query))
