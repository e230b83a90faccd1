"""Reconciliation with an in-memory replica: finding and repairing differences, and resuming."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import OperationalError, connection

from cdc.errors import Retryable
from cdc.models import Checkpoint
from cdc.registry import registry
from cdc.resync import orphans as orphans_module
from cdc.resync import reconcile as module
from cdc.resync.barrier import WaitStopped
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison, Difference
from cdc.resync.orphans import Orphans
from cdc.resync.reconcile import Reconciliation
from cdc.resync.run_context import RunContext
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "stories_story"


def reconciliation(
    feed: MemoryFeed,
    said: list[str],
    *,
    repair: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Reconciliation:
    capture, reader = registry.by_table()[TABLE], MemoryReader(feed.store)
    context = RunContext(
        clock=FakeClock(), say=said.append, advance=lambda _: None, stopped=stopped
    )
    return Reconciliation(
        capture,
        Comparison(capture, reader, feed.run, using="default"),
        Orphans(capture, reader, "default"),
        CheckpointStore("reconcile", {}, using="default"),
        context,
        repair=repair,
        using="default",
    )


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> MemoryFeed:
    monkeypatch.setattr(module, "CHUNK", 2)
    feed = MemoryFeed()
    for number in range(5):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    feed.run()
    return feed


def plant(feed: MemoryFeed) -> list[int]:
    keys = [int(key) for key in sorted(feed.documents(TABLE), key=int)]
    Story.objects.filter(pk=keys[0])._raw_delete("default")
    del feed.documents(TABLE)[keys[1]]
    feed.documents("stories_story_1")[keys[2]]["title"] = "edited"
    return keys


def test_differences_are_reported_and_not_changed(feed: MemoryFeed) -> None:
    keys, said = plant(feed), list[str]()
    comparing = reconciliation(feed, said)
    assert comparing.run()
    assert comparing.report.lines() == [
        f"stories_story: 1 missing: {keys[1]}",
        f"stories_story: 1 extra: {keys[0]}",
        f"stories_story_1: 1 stale: {keys[2]}",
        f"stories_story_1: 1 extra: {keys[0]}",
        f"stories_story_2: 1 extra: {keys[0]}",
    ]
    assert said == []


def test_a_repair_leaves_only_foreign_documents(feed: MemoryFeed) -> None:
    keys, said = plant(feed), list[str]()
    feed.documents(TABLE)["strange"] = {"_id": "strange"}
    repairing = reconciliation(feed, said, repair=True)
    assert repairing.run()
    assert (repairing.report.repaired, repairing.report.unrepaired) == (3, 1)
    assert said == [
        (
            f"{TABLE} has a document with the key 'strange', which no row can have: delete this "
            "document."
        ),
    ]
    assert set(feed.documents("stories_story_2")) == set(keys[1:])
    again = reconciliation(feed, said)
    assert again.run()
    assert again.report.lines() == [f"{TABLE}: 1 extra: strange"]


@pytest.mark.parametrize(
    "error",
    [
        Retryable("MongoDB did not respond."),
        OperationalError(2006, "Server has gone away"),
        WaitStopped("The run was stopped."),
    ],
)
def test_a_repair_that_is_interrupted_after_sending_is_mentioned(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The next run finds equal documents, so its report does not contain these differences."""
    plant(feed)
    said, outages = list[str](), iter([False, True])
    first = reconciliation(feed, said, repair=True)
    confirmed = first._comparison.confirmed

    def interrupted(keys: Iterable[Any], *, gone: bool) -> list[Difference]:
        if next(outages, False):
            feed.run()
            raise error
        return confirmed(keys, gone=gone)

    monkeypatch.setattr(first._comparison, "confirmed", interrupted)
    with pytest.raises(type(error)):
        first.run()

    assert said == [
        f"{TABLE}: 2 keys sent for repair, and not compared again before the interruption."
    ]


def test_a_stopped_run_is_resumed(feed: MemoryFeed) -> None:
    plant(feed)
    said, checks = list[str](), iter(range(100))
    first = reconciliation(feed, said, stopped=lambda: next(checks) > 3)
    assert not first.run()
    second = reconciliation(feed, said)
    assert second.run()
    assert second.report.different == 5
    assert second.report.rows == 4
    assert said[0].startswith(f"Resuming {TABLE}: ")


@pytest.mark.slow
@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("checks", range(16))
def test_a_run_stopped_anywhere_reports_each_difference_once(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch, checks: int, *, repair: bool
) -> None:
    """The next run compares a row again if its difference was not yet confirmed."""
    monkeypatch.setattr(orphans_module, "CHUNK", 2)
    keys, said, left = plant(feed), list[str](), iter(range(checks))
    for name in (TABLE, f"{TABLE}_2"):
        feed.documents(name)["strange"] = {"_id": "strange"}

    last = reconciliation(feed, said, repair=repair, stopped=lambda: next(left, None) is None)
    if not last.run():
        last = reconciliation(feed, said, repair=repair)
        assert last.run()

    assert {
        each.collection: (each.missing.keys, each.stale.keys, each.extra.keys)
        for each in last.report.collections
    } == {
        TABLE: ([keys[1]], [], [keys[0], "strange"]),
        f"{TABLE}_1": ([], [keys[2]], [keys[0]]),
        f"{TABLE}_2": ([], [], [keys[0], "strange"]),
    }
    assert last.report.rows == 4
    assert (last.report.repaired, last.report.unrepaired) == ((3, 2) if repair else (0, 0))
    foreign = [text for text in said if "no row can have" in text]
    assert len(foreign) == len(set(foreign)) == 2
    assert not Checkpoint.objects.exists(), "the next run begins from the start"


def test_a_resumed_run_continues_with_the_collection_and_the_key(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans_module, "CHUNK", 2)
    left, said = iter(range(8)), list[str]()
    first = reconciliation(feed, said, stopped=lambda: next(left, None) is None)
    assert not first.run()
    assert first.report.rows == 5
    seen = [each.documents for each in first.report.collections]

    second = reconciliation(feed, said)
    assert second.run()

    assert seen == [5, 2, 0]
    assert [each.documents for each in second.report.collections] == [5, 5, 5]
    assert said == [f"Resuming {TABLE}: 5 rows compared so far."]


@pytest.mark.parametrize("checks", range(5))
def test_a_difference_that_is_not_confirmed_when_the_run_stops_is_not_passed(
    feed: MemoryFeed, checks: int
) -> None:
    """A single suspect is confirmed only later, after more rows have been compared."""
    first = min(feed.documents(TABLE))
    del feed.documents(TABLE)[first]
    left, said = iter(range(checks)), list[str]()
    last = reconciliation(feed, said, stopped=lambda: next(left, None) is None)
    if not last.run():
        last = reconciliation(feed, said)
        assert last.run()

    assert last.report.lines() == [f"{TABLE}: 1 missing: {first}"]
    assert last.report.rows == 5


def observed(
    feed: MemoryFeed,
    steps: list[int],
    said: list[str],
    *,
    repair: bool = False,
    run: Callable[[], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Reconciliation:
    """Return a reconciliation that reports its progress; `run` applies changes to the replica."""
    capture, reader = registry.by_table()[TABLE], MemoryReader(feed.store)
    return Reconciliation(
        capture,
        Comparison(capture, reader, run or feed.run, using="default"),
        Orphans(capture, reader, "default"),
        CheckpointStore("reconcile", {}, using="default"),
        RunContext(clock=FakeClock(), say=said.append, advance=steps.append, stopped=stopped),
        repair=repair,
        using="default",
    )


def test_the_progress_is_the_number_of_rows_also_of_a_resumed_run(feed: MemoryFeed) -> None:
    steps, said, left = list[int](), list[str](), iter(range(2))
    assert not observed(feed, steps, said, stopped=lambda: next(left, None) is None).run()
    assert steps == [2, 2]

    again: list[int] = []
    assert observed(feed, again, said).run()

    assert again[0] == 4, "what was compared before"
    assert sum(again) == 5
    whole: list[int] = []
    assert observed(feed, whole, said).run()
    assert sum(whole) == 5


def test_a_repair_that_does_not_arrive_is_reported(feed: MemoryFeed) -> None:
    """For example, the event of the repair became a dead letter."""
    keys = sorted(feed.documents(TABLE))
    del feed.documents(TABLE)[keys[1]]
    feed.documents(f"{TABLE}_1")[keys[0]]["title"] = "edited"
    said: list[str] = []

    repairing = observed(feed, [], said, repair=True, run=lambda: None)
    assert repairing.run()

    assert (repairing.report.repaired, repairing.report.unrepaired) == (0, 2)
    assert said == [
        f"{TABLE} {key} still differs after the repair: see `manage.py dead_letters list`. If "
        "the version of the document is higher than those that the database now assigns, run "
        "`manage.py new_epoch` and repair again."
        for key in keys[:2]
    ]


def test_some_repairs_arrive_and_others_do_not(feed: MemoryFeed) -> None:
    keys = sorted(feed.documents(TABLE))
    for key in keys:
        feed.documents(TABLE)[key]["title"] = "edited"
    said: list[str] = []

    def run() -> None:
        feed.run()
        feed.documents(TABLE)[keys[2]]["title"] = "edited again"

    repairing = observed(feed, [], said, repair=True, run=run)
    assert repairing.run()

    assert (repairing.report.repaired, repairing.report.unrepaired) == (4, 1)
    assert [text.partition(" still")[0] for text in said] == [f"{TABLE} {keys[2]}"]
    assert repairing.report.different == 5


@pytest.mark.parametrize("error", [1205, 1213])
def test_a_repair_is_sent_again_after_a_lock(feed: MemoryFeed, error: int) -> None:
    """This includes the deletes of orphans."""
    plant(feed)
    failures = [OperationalError(error, "locked") for _ in range(2)]

    def locked(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if failures and sql.startswith("INSERT") and "cdc_outbox" in sql:
            raise failures.pop()
        return execute(sql, params, many, context)

    said: list[str] = []
    repairing = observed(feed, [], said, repair=True)
    with connection.execute_wrapper(locked):
        assert repairing.run()

    assert not failures
    assert (repairing.report.repaired, repairing.report.unrepaired) == (3, 0)


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_table_of_the_named_database_is_compared(feed: MemoryFeed) -> None:
    capture, reader = registry.by_table()[TABLE], MemoryReader(feed.store)
    comparing = Reconciliation(
        capture,
        Comparison(capture, reader, feed.run, using="other"),
        Orphans(capture, reader, "other"),
        CheckpointStore("reconcile", {}, using="default"),
        RunContext(clock=FakeClock(), say=print, advance=lambda _: None, stopped=lambda: False),
        repair=False,
        using="other",
    )

    assert comparing.run()

    assert comparing.report.rows == 0
    assert [len(each.extra.keys) for each in comparing.report.collections] == [5, 5, 5]
