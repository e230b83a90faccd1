"""The Pipeline page."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from cdc.doctor.check import Check, warning
from cdc.errors import Retryable
from cdc.status.facts import CanaryStatus, Trouble
from cdc.status.latency import MINUTES, Delays
from project.operations import stages
from project.operations.stages import database_name
from project.pages import feed_state
from project.pages.latest import Latest
from project.templatetags.sentences import coded
from tests.support.latest import patient
from tests.support.status import busy_status, healthy_status

pytestmark = pytest.mark.django_db


def test_senior_management_reads_but_cannot_act(manager: Client) -> None:
    page = manager.get("/operations/").content.decode()
    assert "<h1>Pipeline</h1>" in page
    assert "In sync: 3 rows everywhere, counted but not yet compared field by field." in page
    assert "Pause consumers" not in page


def test_it_shows_the_verdict_and_the_numbers(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(busy_status))
    page = worker.get("/technical_worker/").content.decode()
    assert coded(busy_status().verdict) in page
    assert "Pause consumers…</a>" in page
    for shown in (">3<", "oldest change is 1.2 s old", ">17<", ">41<", ">42<"):
        assert shown in page, shown


def test_it_names_what_is_unreachable(worker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    status = busy_status(
        lags=None,
        tables=None,
        gaps=None,
        problems=("MongoDB <is> not responding.",),
        unreachable=("MongoDB",),
    )
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))
    page = worker.get("/technical_worker/").content.decode()
    assert "MongoDB is not responding. At least 3 changes queued. Run <code>" in page
    assert "<span>MongoDB &lt;is&gt; not responding.</span></li>" in page
    assert "Unknown while Kafka or MongoDB is not responding." in page
    assert "sf-bad" in page


def test_the_lag_of_a_missing_topic_is_unknown(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = healthy_status(lags=(), missing_topics=("story-events",))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))
    page = worker.get("/operations/").content.decode()
    assert "Unknown for the topic <span" in page
    assert "no partitions yet" not in page
    assert '>?</dd><dd class="sf-figure-note">unknown without the topic</dd>' in page
    verdict = worker.get("/operations/verdict/").content.decode()
    assert "data-lag>unknown</dd>" in verdict


def test_the_delay_is_in_milliseconds(worker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    status = healthy_status(delays=Delays(changes=9, p50=0.0214, p95=1.2, p99=1.25))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))
    page = worker.get("/operations/").content.decode()
    assert ">21 ms<" in page
    assert f'>last {MINUTES} min: <span class="text-nowrap">p95 1,200 ms,</span> <span' in page
    assert ">p99 1,250 ms</span>" in page


@pytest.mark.parametrize(
    ("delays", "note"),
    [
        (
            Delays(changes=0, p50=None, p95=None, p99=None),
            f"no change applied in the last {MINUTES} min",
        ),
        (None, "unknown"),
    ],
)
def test_a_delay_may_be_missing(
    worker: Client, monkeypatch: pytest.MonkeyPatch, delays: Delays | None, note: str
) -> None:
    status = healthy_status(delays=delays)
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))
    page = worker.get("/operations/").content.decode()
    figure = page.partition("Delay, median</dt>")[2].partition("</div>")[0]
    assert f'>?</dd><dd class="sf-figure-note">{note}</dd>' in figure


def test_each_stage_shows_its_last_hour(worker: Client) -> None:
    page = worker.get("/operations/state/").content.decode()
    assert page.count('class="sf-chart-spark') == 5
    assert "Changes saved per minute in the last hour: 0 in the last minute, 0 at most" in page


def test_each_stage_and_each_table_names_its_product(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> str:
        raise OperationalError

    page = worker.get("/operations/").content.decode()
    names = re.findall(r"sf-part-product\">([^<]*)<", page)
    assert names == [connection.display_name, "Django", "Kafka", "Django", "MongoDB"]
    assert f"stories_story</span></th><td>{connection.display_name}</td>" in page
    assert page.count("</span></th><td>MongoDB</td>") == 2

    monkeypatch.setattr(stages, "_display_name", lost)
    assert database_name() == "MySQL"


def test_a_canary_that_never_arrived(worker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = CanaryStatus(
        sent_seconds_ago=3.0, started_seconds_ago=31.0, arrived_seconds_ago=None, seconds=None
    )
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: healthy_status(canary=canary)))
    page = worker.get("/operations/").content.decode()
    assert "test row sent, not yet arrived. Needs attention." in page
    assert "Needs attention" in page


def test_a_failing_process_is_shown_with_its_error(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    trouble = Trouble(process="consumer <a>", error="run `x`", since=since, attempts=7)
    status = healthy_status(troubles=(trouble,), read_at=since + timedelta(minutes=1))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))

    page = worker.get("/operations/").content.decode()

    assert (
        "<strong>Failing.</strong> Consumer &lt;a&gt; has been failing for 60 s (7 attempts)"
        in page
    )
    assert "since 2 Jan, 03:04:05 UTC, 7 attempts: run <code>x</code></span></li>" in page


@pytest.mark.parametrize("client", ["worker", "manager"])
def test_other_pages_show_the_verdict(
    client: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader: Client = request.getfixturevalue(client)
    assert 'hx-get="/operations/verdict/"' in reader.get("/feed/").content.decode()
    assert (
        "In sync: 3 rows everywhere, counted" in reader.get("/operations/verdict/").content.decode()
    )

    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: healthy_status(dead_letters=4)))

    part = reader.get("/operations/verdict/").content.decode()
    assert "<strong>Dead letters.</strong> 4 dead letters need a decision" in part
    assert "sf-bad" in part


def test_customers_do_not_read_the_verdict(customer: Client) -> None:
    assert customer.get("/operations/verdict/").status_code == 403


def test_the_problems_of_the_deployment_are_shown_to_those_who_can_act(
    worker: Client, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [warning("database.durability", "`sync_binlog` is <0>", "set it to 1")]
    monkeypatch.setattr(feed_state, "deployment", patient(lambda: found))

    shown = (
        "<strong>Warning.</strong> <code>sync_binlog</code> is &lt;0&gt;: set it to 1.</span></li>"
    )
    assert shown in worker.get("/operations/").content.decode()
    assert "sync_binlog" not in manager.get("/operations/").content.decode()


def test_doctor_is_said_to_find_nothing_only_after_an_examination(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> bool:
        page = worker.get("/operations/").content.decode()
        assert "No process reports an error" in page
        return "<code>manage.py doctor</code> finds nothing" in page

    def failed() -> list[Check]:
        raise Retryable("Kafka is not responding.")

    def unfinished() -> list[Check]:
        end.wait(60)
        return []

    end = threading.Event()
    monkeypatch.setattr(feed_state, "deployment", patient(list))
    assert shown()
    monkeypatch.setattr(feed_state, "deployment", patient(failed))
    assert not shown()
    monkeypatch.setattr(feed_state, "deployment", Latest(unfinished, patience=0.0))
    assert not shown()
    end.set()
