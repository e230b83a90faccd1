"""One trace from a web request through the outbox and Kafka to MongoDB, in three processes."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from cdc.models import OutboxRecord
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.acceptance.test_send_to_kafka import replica
from tests.cdc.capture.world import columns
from tests.support.paths import ROOT
from tests.support.processes import Daemon
from tests.support.traces import SAMPLED, TRACE, UNSAMPLED, printed, recorded, trace_of

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]
# Only the end of a process exports its spans.
EXPORT = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "600000"}


def create(request: HttpRequest) -> HttpResponse:
    Story.objects.create(**columns())
    return HttpResponse()


def create_and_delete(request: HttpRequest) -> HttpResponse:
    Story.objects.create(**columns()).delete()
    return HttpResponse()


urlpatterns = [path("create/", create), path("create-and-delete/", create_and_delete)]


# Python runs this module at its start: on a busy machine, the last export may take seconds.
PATIENT = """\
from cdc.runtime import stop, tracing

stop.Stop.__init__.__defaults__ = (60.0,)
tracing.FLUSH_SECONDS = 60.0
"""


@pytest.fixture(autouse=True)
def exporting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the processes of the test export all their spans to their logs."""
    (tmp_path / "sitecustomize.py").write_text(PATIENT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    for name, value in EXPORT.items():
        monkeypatch.setenv(name, value)


def spans_of(daemon: Daemon) -> list[dict[str, Any]]:
    """Stop a daemon, and return the spans that it has exported."""
    assert daemon.stop() == 0
    return printed(daemon.log)


def names(spans: list[dict[str, Any]]) -> list[str]:
    return [span["name"] for span in spans]


def test_one_trace_shows_the_request_the_publication_and_the_transaction(
    feed: RunningFeed,
) -> None:
    with recorded() as web:
        assert Client().get("/create/", headers={"traceparent": SAMPLED}).status_code == 200
    request = web.named("GET /create/")
    assert request.context is not None
    # The next three changes must have no spans in relay and consumer: the first is not sampled,
    # and the other two have no valid trace context.
    Client().get("/create/", headers={"traceparent": UNSAMPLED})
    Client().get("/create/", headers={"traceparent": "nonsense"})
    with transaction.atomic():
        story = Story.objects.create(**columns())
        row = OutboxRecord.objects.filter(key=f'{{"id":{story.pk}}}')
        assert row.update(traceparent="00-" + "x" * 40) == 1
    Client().get("/create-and-delete/", headers={"traceparent": SAMPLED})
    feed.wait_until_equal()
    # The table and the collections do not show whether the last story has arrived and is deleted.
    history = replica(feed)["stories_history"]
    feed.wait_until(lambda: history.count_documents({}) == 6, "all changes are applied")
    wait_until_published()

    published, applied = spans_of(feed.relay), spans_of(feed.consumer)
    topic = feed.settings.topic
    ours = [span for span in published + applied if span["parent_id"] == hexadecimal(request)]
    assert names(ours) == ["wait in outbox", f"publish {topic}", "wait in kafka", f"apply {topic}"]
    assert trace_of(request) == TRACE
    outbox, publish, kafka, apply = ours
    assert outbox["start_time"] <= outbox["end_time"] == publish["start_time"]
    assert kafka["start_time"] <= kafka["end_time"] == apply["start_time"]
    assert publish["start_time"][:23] == kafka["start_time"][:23]  # equal to the millisecond
    # The request that created and deleted a story sent two messages, each with four spans.
    assert len(published + applied) == len(ours) + 8
    assert {span["context"]["trace_id"] for span in published + applied} == {f"0x{TRACE:032x}"}
    check_attributes(publish["attributes"], apply["attributes"], feed)


def hexadecimal(span: Any) -> str:
    return f"0x{span.context.span_id:016x}"


def check_attributes(publish: dict[str, Any], apply: dict[str, Any], feed: RunningFeed) -> None:
    for name in ("change.outbox_id", "change.epoch", "messaging.kafka.offset"):
        assert publish[name] == apply[name]
    for found in (publish, apply):
        assert found["messaging.system"] == "kafka"
        assert found["messaging.destination.name"] == feed.settings.topic
        assert found["messaging.destination.partition.id"] in {*"01234"}
    assert apply["messaging.consumer.group.name"] == feed.settings.group
    assert publish["change.wait.outbox_ms"] >= 0
    assert apply["change.wait.kafka_ms"] >= 0
    assert apply["change.delay_ms"] >= publish["change.wait.outbox_ms"]
