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
SOURCES = 6
ON_ONE_PROCESSOR = """
import os, sys, time
import django
django.setup()
from dataclasses import replace
from functools import partial
from cdc.kafka.groups import Groups
from cdc.kafka.source import KafkaSource
from tests.support.commands import retried
from tests.support.feed_settings import without_servers

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
address, topic, *names = sys.argv[1:]
settings = without_servers(bootstrap_servers=address, topic=topic)
sources = [KafkaSource(replace(settings, group=name), [topic], "one") for name in names]
groups = Groups(settings)
for name in names:
    while not retried(partial(groups.members, name)):
        time.sleep(0.05)
time.sleep(1)  # The clients receive their assignments.
for name, source in zip(names, sources, strict=True):
    source.close()
    print(groups.members(name), flush=True)
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

    run = run_alone(PROGRAM, arguments)

    assert (run.returncode, run.stdout.split()) == (0, ["closed"] * ROUNDS), run.stderr


def test_the_last_assignment_does_not_keep_a_source_in_its_group(
    feed_settings: CdcSettings,
) -> None:
    """On one processor, the library's thread often waits while `close` runs."""
    Topics(feed_settings).ensure(feed_settings.topic)
    names = [f"{feed_settings.group}-{number}" for number in range(SOURCES)]
    arguments = [feed_settings.bootstrap_servers, feed_settings.topic, *names]

    run = run_alone(ON_ONE_PROCESSOR, arguments)

    assert run.stdout.split() == ["0"] * SOURCES, run.stderr


def run_alone(program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own: a client that blocks holds Python's global lock."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
