"""Closing a source whose assignment no poll has served. librdkafka could block the process."""

import subprocess
import sys

import pytest

from cdc.conf import CdcSettings
from cdc.kafka.topics import Topics
from tests.support.paths import ROOT

pytestmark = pytest.mark.services
ROUNDS = 6
PROGRAM = """
import gc, sys, time
import django
django.setup()
from confluent_kafka import ConsumerGroupState, KafkaException
from cdc.kafka.groups import Groups
from cdc.kafka.source import KafkaSource
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers

servers, topic, group, rounds, fenced = sys.argv[1:]

def assigned(groups, name):
    try:
        return groups.request(name).result(10).state is ConsumerGroupState.STABLE
    except KafkaException:  # The coordinator has just been chosen.
        return False

for number in range(int(rounds)):
    settings = without_servers(bootstrap_servers=servers, group=f"{group}-{number}")
    groups = Groups(settings)
    source = KafkaSource(settings, [topic], "same")
    wait_until(lambda: assigned(groups, settings.group), "the assignment")
    time.sleep(0.2)  # until the client has the assignment as well
    if fenced == "yes":
        other = KafkaSource(settings, [topic], "same")
        time.sleep(0.5)
        other.close()
    source.close()
    # An object that is collected must not block either.
    source = other = None
    gc.collect()
    print("closed", flush=True)
"""


@pytest.mark.parametrize("fenced", ["no", "yes"])
def test_a_source_that_was_not_polled_can_be_closed(
    feed_settings: CdcSettings, fenced: str
) -> None:
    Topics(feed_settings).ensure(feed_settings.topic)
    arguments = [
        *(feed_settings.bootstrap_servers, feed_settings.topic, feed_settings.group),
        *(str(ROUNDS), fenced),
    ]

    # In a process of its own: a client that blocks holds Python's global lock.
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert (run.returncode, run.stdout.split()) == (0, ["closed"] * ROUNDS), run.stderr
