"""Measures the stages in rounds. Import this module only after Django is set up."""

import argparse
import time
from collections.abc import Mapping, Sequence

from tests.bench import writes
from tests.bench.alternation import rotated
from tests.bench.databases import create
from tests.bench.delay import STORIES
from tests.bench.figures import percentile
from tests.bench.ours import Ours
from tests.bench.results import Results
from tests.bench.stages import statements
from tests.bench.stages.times import Seen, applied, stages
from tests.bench.stages.topic import TopicWatcher
from tests.bench.stages.transaction import seconds_until_visible
from tests.bench.stories import new_story
from tests.bench.systems import ONE, PARTITIONS, TABLE, THREE, Servers, ours
from tests.bench.traffic import write
from tests.bench.watcher import delays

_WRITES, _HISTORY = "bench_writes", "stories_history"
_WARM_SHARE = 0.25
_COLLECTIONS = {ONE: 1, THREE: 3}
_TRANSACTIONS_PER_SECOND = 20


def measure(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    """Measure the stages of our systems and the statements of saves, and print the tables."""
    create(_WRITES)
    systems = [ours(servers, ONE, "bench_one", [TABLE]), ours(servers, THREE, "bench_three")]
    for number in range(options.rounds):
        servers.console.say(f"round {number + 1} of {options.rounds}, stages")
        for system in rotated(systems, number):
            _add(found, system.title, stages(_seen(servers, system, options)))
            _add(found, system.title, {"the same writes alone": _alone(servers, system, options)})
        writes.measure(_WRITES, options.saves, found)
        statements.measure(_WRITES, options.saves, found)
    found.show(servers.about(peer=False), [(writes.CAPTURED, writes.PLAIN)])


def _add(found: Results, title: str, seconds: Mapping[str, Sequence[float]]) -> None:
    for name, values in seconds.items():
        for percent in (50, 95):
            found.add(title, f"stages: {name}, p{percent}, ms", percentile(values, percent) * 1000)


def _alone(servers: Servers, system: Ours, options: argparse.Namespace) -> list[float]:
    changes = int(options.seconds * _TRANSACTIONS_PER_SECOND)
    return seconds_until_visible(servers.env["MONGODB_URI"], _COLLECTIONS[system.title], changes)


def _seen(servers: Servers, system: Ours, options: argparse.Namespace) -> Seen:
    stories = [new_story() for _ in range(STORIES)]
    topic = TopicWatcher(servers.bootstrap_servers, system.topic, PARTITIONS)
    watcher = servers.watcher(system)
    with system.selected(), system.running():
        for story in stories:
            story.save()
        write(system, stories, options.rate, options.seconds * _WARM_SHARE)
        with topic, watcher:
            commits = write(system, stories, options.rate, options.seconds)
            system.wait(lambda: len(delays(commits, watcher.sights)) == len(commits), "a change")
        history = servers.client[system.database][_HISTORY].find()
        begun = applied(history, time.monotonic() - time.time())
        system.clear()
    return Seen(commits=commits, topic=topic.sights, applied=begun, visible=watcher.sights)
