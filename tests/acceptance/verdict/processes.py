"""The conditions that concern the services and the processes of the pipeline."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from confluent_kafka import Consumer
from django.db import connections

from cdc.consumer.pause import resume
from tests.acceptance.verdict.product import Product
from tests.acceptance.verdict.settings import FORMER
from tests.support.processes import Daemon

NOWHERE = "127.0.0.1:9"
"""An address at which nothing responds."""
NO_KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": NOWHERE}
NO_MONGODB = {"MONGODB_URI": f"mongodb://{NOWHERE}/?serverSelectionTimeoutMS=500"}
_WRITE_SECONDS = 0.02


@contextmanager
def nothing(product: Product) -> Iterator[None]:
    yield


@contextmanager
def stopped(product: Product, service: str) -> Iterator[None]:
    """Refuse connections to a service, and save a change, which then waits."""
    product.proxies[service].stop()
    try:
        product.story()
        yield
    finally:
        product.proxies[service].start()


@contextmanager
def silent(product: Product, service: str) -> Iterator[None]:
    """Make a service accept connections but never respond."""
    product.proxies[service].silence()
    try:
        product.story()
        yield
    finally:
        product.proxies[service].restore()


@contextmanager
def paused(product: Product) -> Iterator[None]:
    try:
        product.pause("an index")
        product.story()
        yield
    finally:
        resume(product.settings.group, "", using="default")


@contextmanager
def without_relay(product: Product) -> Iterator[None]:
    assert product.relay.stop() == 0
    product.story()
    try:
        yield
    finally:
        product.relay.start()


@contextmanager
def in_transit(product: Product) -> Iterator[None]:
    """Change a story again and again, so that a reading always finds a change in transit."""
    story, ended = product.story(), threading.Event()

    def write() -> None:
        with closing(connections["default"]):
            while not ended.wait(_WRITE_SECONDS):
                story.diggs += 1
                story.save()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)


@contextmanager
def without_consumer(product: Product) -> Iterator[None]:
    assert product.consumer.stop() == 0
    product.story()
    try:
        yield
    finally:
        if not product.consumer.alive():
            product.consumer.start()


@contextmanager
def failing_relay(product: Product) -> Iterator[None]:
    environment = {**product.environment, **NO_KAFKA}
    with without_relay(product), another(product, "relay", environment, "relay_outbox"):
        yield


@contextmanager
def failing_consumer(product: Product) -> Iterator[None]:
    """Run another consumer, which cannot reach MongoDB."""
    environment = {**product.environment, **NO_MONGODB}
    command = ("consume_and_save_to_mongodb", "--instance", "failing")
    with another(product, "consumer", environment, *command):
        yield


@contextmanager
def failing_only_consumer(product: Product) -> Iterator[None]:
    with without_consumer(product), failing_consumer(product):
        yield


@contextmanager
def locked_outbox(product: Product) -> Iterator[None]:
    """Lock a row of the outbox, so that the relay can publish the row but not delete it."""
    with closing(connections.create_connection("default")) as other:
        with without_relay(product):
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT id FROM cdc_outbox FOR UPDATE")
        try:
            yield
        finally:
            other.rollback()


@contextmanager
def former_outbox(product: Product) -> Iterator[None]:
    """Leave a change in the outbox of a database that used to be the default database."""
    file = product.folder / f"{FORMER}.sqlite3"
    minute_ago = int(time.time() - 60) * 1000
    with closing(sqlite3.connect(file)) as former, former:
        former.execute("CREATE TABLE cdc_epoch (id INTEGER PRIMARY KEY, value BIGINT)")
        former.execute("CREATE TABLE cdc_outbox (id INTEGER PRIMARY KEY, ts_ms BIGINT)")
        former.execute("INSERT INTO cdc_epoch (value) VALUES (1)")
        former.execute("INSERT INTO cdc_outbox (ts_ms) VALUES (?)", [minute_ago])
    try:
        yield
    finally:
        with closing(sqlite3.connect(file)) as former, former:
            former.execute("DELETE FROM cdc_outbox")


@contextmanager
def slow_consumers(product: Product) -> Iterator[None]:
    """Replace the consumer with a group member that reads records but does not apply them."""
    ended = threading.Event()
    member = Consumer(
        {
            "bootstrap.servers": product.settings.bootstrap_servers,
            "group.id": product.settings.group,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
        }
    )
    member.subscribe([product.settings.topic])

    def read() -> None:
        while not ended.is_set():
            member.poll(0.1)

    with without_consumer(product):
        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)
            member.close()


@contextmanager
def another(
    product: Product, name: str, environment: dict[str, str], *command: str
) -> Iterator[Daemon]:
    daemon = Daemon(product.folder / f"another-{name}.log", environment, *command)
    try:
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.kill()
