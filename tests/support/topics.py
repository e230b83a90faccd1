"""Topics that tests can use at once."""

from contextlib import closing
from dataclasses import replace

from cdc.conf import CdcSettings
from cdc.kafka.tail import KafkaTail
from cdc.kafka.topics import Topics
from tests.support.commands import retried


def create_topic(settings: CdcSettings, topic: str = "", partitions: int = 0) -> None:
    """Create a topic as the pipeline does, and wait until each partition has a leader.

    The defaults are the topic and the number of partitions in the settings.
    """
    name, topics = topic or settings.topic, Topics(settings)
    retried(lambda: topics.ensure(name, partitions))
    with closing(KafkaTail(replace(settings, topic=name))) as tail:
        retried(tail.bounds)
