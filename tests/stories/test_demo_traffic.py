"""Demo traffic: its changes, its rate and its stop."""

import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cdc.errors import Retryable
from cdc.models import OutboxRecord
from project.config.environment import BASE_DIR
from stories.demo_calendar import moments, rhythm
from stories.demo_stories import demo_stories, demo_story, fill
from stories.demo_traffic import DemoTraffic
from stories.models import Story, reason_of
from tests.support.commands import wait_until
from tests.support.sqlite import outbox_sequence
from users.models import User

pytestmark = pytest.mark.slow
PATIENT = """\
import sys
import manage
from cdc.runtime.stop import Stop

init = Stop.__init__
Stop.__init__ = lambda self, _: init(self, 60.0)
sys.exit(manage.main())
"""
"""`manage.py`, but a process has more time to end by itself, because a machine may be busy."""

# The traffic has a rhythm. At night, 40 seconds may have no change of some kind.
NOON = datetime(2026, 3, 16, 12, tzinfo=UTC)


class ManualClock:
    """A clock that starts at noon, and changes only when a test sets it or when code sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self._started = NOON.timestamp()

    def time(self) -> float:
        return self._started + self.now - 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def traffic(clock: ManualClock) -> DemoTraffic:
    return DemoTraffic(10, clock=clock, rng=random.Random(3))


def run_for(traffic: DemoTraffic, clock: ManualClock, seconds: float) -> None:
    end = clock.now + seconds
    while clock.now < end:
        if not traffic.run_once():
            traffic.pause()


@pytest.mark.django_db(transaction=True)
class TestChanges:
    def test_each_change_is_one_event_of_a_demo_story(
        self, traffic: DemoTraffic, clock: ManualClock
    ) -> None:
        address = "https://a.example/"
        other = Story.objects.create(title="Other", href=address, link=address)
        fill(NOON)
        person = User.objects.create_user("ann@people.example", name="Ann")
        own = list(demo_stories().values_list("pk", flat=True)[10:110])
        Story.objects.filter(pk__in=own).update(submitted_by=person)
        untouched = {f'{{"id":{key}}}' for key in (other.pk, *own)}
        OutboxRecord.objects.all().delete()
        middle = datetime.fromtimestamp(clock.time() + 20, UTC)
        run_for(traffic, clock, 40)
        records = list(OutboxRecord.objects.all())
        assert len(records) == pytest.approx(400 * rhythm(middle), rel=0.05)
        assert {record.op for record in records} == {"c", "u", "d"}
        assert untouched.isdisjoint(record.key for record in records)
        assert all(record.before != record.after for record in records)

    @pytest.mark.parametrize("count", [0, 20, 12])
    def test_number_of_stories_stays_in_its_range(
        self,
        traffic: DemoTraffic,
        clock: ManualClock,
        count: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("stories.demo_traffic.MIN_COUNT", 12)
        monkeypatch.setattr("stories.demo_traffic.MAX_COUNT", 20)
        Story.objects.bulk_create(
            [demo_story(number, NOON, date) for number, date in enumerate(moments(count, NOON))]
        )
        lowest = highest = count
        for _ in range(200):
            run_for(traffic, clock, 0.1)
            found = demo_stories().count()
            lowest, highest = min(lowest, found), max(highest, found)
        assert (lowest >= min(count, 12), highest <= 20) == (True, True)
        assert found >= 12

    def test_the_stories_of_the_year_remain_and_a_day_has_few_new_ones(
        self, traffic: DemoTraffic, clock: ManualClock
    ) -> None:
        fill(NOON)
        day = NOON - timedelta(days=1)
        old = set(demo_stories().filter(submit_date__lt=day).values_list("pk", flat=True))
        run_for(traffic, clock, 40)
        assert old <= set(demo_stories().values_list("pk", flat=True))
        assert demo_stories().exclude(pk__in=old).count() <= 30
        promoted = demo_stories().filter(status="popular", submit_date__lt=day - timedelta(days=3))
        assert all(each.promote_date < day for each in promoted if each.promote_date)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("title", ["A heron", "A heron (updated)", "A heron (with photos)"])
def test_a_title_stays_that_of_its_story(traffic: DemoTraffic, title: str) -> None:
    story = demo_story(1, NOON, NOON)
    story.title = title
    titles = [title]
    for _ in range(40):
        changed = traffic._edit(story, "retitle")
        titles.append(story.title)
        assert ("title" in changed) == (titles[-2] != titles[-1])
    assert len(set(titles)) > 2
    assert titles.count("A heron") > 20
    assert {each.partition(" (")[0] for each in titles} == {"A heron"}
    assert max(map(len, titles)) <= len("A heron (with photos)")


@pytest.mark.django_db(transaction=True)
def test_a_title_without_room_is_kept(traffic: DemoTraffic) -> None:
    story = demo_story(1, NOON, NOON)
    story.title = "x" * 255
    assert {tuple(traffic._edit(story, "retitle")) for _ in range(20)} == {("diggs", "comments")}


@pytest.mark.django_db(transaction=True)
def test_a_rejection_has_a_reason(traffic: DemoTraffic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stories.demo_traffic._REJECTED", 1)
    story = demo_story(1, NOON, NOON)
    story.save()
    assert traffic._review(story)
    story.save(update_fields=["status", "promote_date"])
    assert reason_of(Story.objects.get(pk=story.pk))


def test_the_rate_follows_the_hours_of_a_day() -> None:
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    day = [rhythm(midnight + timedelta(minutes=minute)) for minute in range(24 * 60)]
    assert sum(day) / len(day) == pytest.approx(1, abs=0.02)
    assert 0.3 < min(day) < 0.7
    assert 1.2 < max(day) < 2
    assert sum(day[120:240]) < sum(day[540:660]) * 0.7


@pytest.mark.django_db(transaction=True)
def test_older_missed_changes_are_dropped(traffic: DemoTraffic, clock: ManualClock) -> None:
    fill(NOON)
    OutboxRecord.objects.all().delete()
    clock.now += 3600
    while traffic.run_once():
        pass
    expected = 10 * rhythm(datetime.fromtimestamp(clock.time(), UTC))
    assert expected - 2 <= OutboxRecord.objects.count() <= expected + 2


def test_an_outage_and_its_end_are_logged_once_each(
    traffic: DemoTraffic,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    transactional_db: None,
) -> None:
    fill(NOON)
    with monkeypatch.context() as patch, caplog.at_level("INFO"):

        def away() -> None:
            raise OperationalError("gone away")

        patch.setattr(traffic, "_change", away)
        for _ in range(5):
            with pytest.raises(Retryable, match="gone away") as caught:
                traffic.run_once()
            traffic.report(caught.value, 0.5)
            clock.sleep(1)
    with caplog.at_level("INFO"):
        traffic.run_once()
        traffic.run_once()
    events = [record.message for record in caplog.records]
    assert events == ["traffic.database_away", "traffic.database_back"]


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "5000"])
def test_an_invalid_rate_is_a_usage_error(rate: str) -> None:
    with pytest.raises(CommandError, match="--rate is") as ended:
        call_command("demo_traffic", rate=float(rate))
    assert ended.value.returncode == 2


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("demo")
    environment = {
        **os.environ,
        "STORYFEED_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home / 'demo.sqlite3'}",
        "DJANGO_SECRET_KEY": "x",
    }
    for command in ("migrate", "load_demo"):
        manage = [sys.executable, "manage.py", command]
        subprocess.run(manage, env=environment, cwd=BASE_DIR, check=True, capture_output=True)
    return environment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it(own_database: dict[str, str], number: int) -> None:
    command = [sys.executable, "-c", PATIENT, "demo_traffic", "--rate", "50"]
    database = Path(own_database["STORYFEED_HOME"]) / "demo.sqlite3"
    with subprocess.Popen(
        command, env=own_database, cwd=BASE_DIR, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "traffic.started" in process.stderr.readline()
        before = outbox_sequence(database)
        wait_until(lambda: outbox_sequence(database) > before, "the first change")
        process.send_signal(number)
        assert process.wait(60) == 0
        assert "traffic.stopped" in process.stderr.read()
