"""Closing a source before any poll has handled its assignment, which could block the process."""

import subprocess
import sys

import pytest

from cdc.conf import CdcSettings
from tests.support.paths import ROOT
from tests.support.topics import create_topic

pytestmark = pytest.mark.services
ROUNDS = 6
PROGRAM = """
import gc, os, sys, time
import django
django.setup()
from functools import partial
from cdc.kafka import source as module
from cdc.kafka.groups import Groups
from cdc.kafka.source import KafkaSource
from tests.support.commands import retried
from tests.support.feed_settings import without_servers

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
servers, topic, group, rounds, replaced = sys.argv[1:]
for number in range(int(rounds)):
    settings = without_servers(bootstrap_servers=servers, group=f"{group}-{number}")
    members = partial(Groups(settings).members, settings.group)
    source = KafkaSource(settings, [topic], "same")
    while not (retried(members) and source._consumer.memberid()):
        time.sleep(0.05)
    time.sleep(0.5)  # The client receives its assignment.
    if replaced == "yes":
        other = KafkaSource(settings, [topic], "same")
        while not other._consumer.memberid():
            time.sleep(0.05)
        time.sleep(0.5)
        module._LEAVE_SECONDS = 60.0
        other.close()
    # A source that knows that it was replaced keeps its member ID, and would wait all the time.
    module._LEAVE_SECONDS = 60.0 if replaced == "no" else 2.0
    source.close()
    # An object that is collected must not block either.
    source = other = None
    gc.collect()
    print(retried(members), flush=True)
"""


@pytest.mark.parametrize("replaced", ["no", "yes"])
def test_a_source_that_was_not_polled_leaves_its_group(
    feed_settings: CdcSettings, replaced: str
) -> None:
    """On one processor, the library's thread often waits while `close` runs."""
    create_topic(feed_settings)
    arguments = [
        *(feed_settings.bootstrap_servers, feed_settings.topic, feed_settings.group),
        *(str(ROUNDS), replaced),
    ]

    # In a separate process, because a client that blocks holds Python's global lock.
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert (run.returncode, run.stdout.split()) == (0, ["0"] * ROUNDS), run.stderr
