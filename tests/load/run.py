"""The processes and data of a load test. Import this module only after Django is set up."""

import argparse
import asyncio
import time
from pathlib import Path

import psutil
from django.core.management import call_command

from cdc.conf import cdc_settings
from cdc.kafka.topics import Topics
from cdc.models import OutboxRecord
from stories.models import Story
from tests.load.clients import Clients
from tests.load.readers import Writer, measure
from tests.load.restart import measure_restart
from tests.support.processes import Daemon
from tests.support.web import Web, session_of
from users.models import User, UserType

_STORIES = 200
_STREAMS_PER_ACCOUNT = 10


def run(folder: Path, env: dict[str, str], options: argparse.Namespace) -> bool:
    """Run the load test. Return whether all clients received all changes once."""
    call_command("migrate", verbosity=0)
    Topics(cdc_settings()).ensure(cdc_settings().topic)
    link = "http://example.org/"
    stories = Story.objects.bulk_create(
        Story(title=f"story {number}", description="x" * 500, href=link, link=link)
        for number in range(_STORIES)
    )
    workers = User.objects.bulk_create(
        User(email=f"w{number}@e.example", name="W", user_type=UserType.TECHNICAL_WORKER)
        for number in range(-(-options.readers // _STREAMS_PER_ACCOUNT))
    )
    daemons = [
        Daemon(folder / "relay.log", env, "relay_outbox"),
        Daemon(folder / "consumer.log", env, "consume_and_save_to_mongodb"),
    ]
    while OutboxRecord.objects.exists():  # the events of the inserts are not measured
        time.sleep(0.05)
    with Web(folder / "web.log", env, debug=False) as web:
        clients = Clients(web.url, [session_of(worker) for worker in workers], options.readers)
        writer = Writer(stories, options.rate)
        process = psutil.Process(web.process.pid)

        async def both() -> bool:
            complete = await measure(clients, writer, process, options.seconds)
            if options.restart:
                again = Writer(stories, options.rate)
                complete &= await measure_restart(clients, again, web, writer.saved)
            return complete

        complete = asyncio.run(both())
    for daemon in daemons:
        daemon.stop()
    return complete
