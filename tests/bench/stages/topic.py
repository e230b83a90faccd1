"""Watches a topic, and records when each change could be read from Kafka."""

import threading
import time
from typing import Self

from confluent_kafka import Consumer, Message, TopicPartition

from cdc.wire.event import decode
from tests.bench.watcher import Sight

_POLL_SECONDS = 0.2


class TopicWatcher:
    """A context manager that records all changes that are added to a topic.

    It fetches like this project's consumer: without waiting for more data.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self.sights: list[Sight] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "bench-stages",
                "enable.auto.commit": False,
                "fetch.min.bytes": 1,
            }
        )
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        for place in self._places:
            _, place.offset = self._consumer.get_watermark_offsets(place, timeout=10)
        self._consumer.assign(self._places)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        while not self._stopped:
            message = self._consumer.poll(_POLL_SECONDS)
            if message is not None and not message.error() and message.value():
                self.sights.append(_sight(message, time.monotonic()))


def _sight(message: Message, at: float) -> Sight:
    event = decode(message.key(), message.value() or b"")
    return Sight(at=at, key=int(event.key), mark=(event.after or {}).get("diggs"))
