"""The page `/metrics` of the web process: its metrics, and who may read them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from cdc.errors import Retryable
from cdc.status.facts import OpenGap
from cdc.status.latency import delays_of
from cdc.status.verdict import Status
from project.http.refusal import REFUSED_REQUESTS
from project.pages import feed_state
from project.pages.latest import Latest
from tests.project.metrics.samples import Samples, samples_of
from tests.support.latest import patient
from tests.support.status import busy_status as status
from tests.support.status import healthy_status, lag

TOKEN = "a-token-of-some-length"
ELSEWHERE = "203.0.113.9"
# Dashboards and alerts of operators use these names.
TYPES = {
    "storyfeed_build_info": "gauge",
    "storyfeed_problems": "gauge",
    "storyfeed_status_age_seconds": "gauge",
    "storyfeed_healthy": "gauge",
    "storyfeed_state": "gauge",
    "storyfeed_failing_processes": "gauge",
    "storyfeed_outbox_rows": "gauge",
    "storyfeed_outbox_oldest_seconds": "gauge",
    "storyfeed_relay_active": "gauge",
    "storyfeed_consumers": "gauge",
    "storyfeed_dead_letters": "gauge",
    "storyfeed_gaps": "gauge",
    "storyfeed_lag_records": "gauge",
    "storyfeed_lag_seconds": "gauge",
    "storyfeed_time_to_data_loss_seconds": "gauge",
    "storyfeed_time_to_marker_expiry_seconds": "gauge",
    "storyfeed_table_rows": "gauge",
    "storyfeed_collection_documents": "gauge",
    "storyfeed_fences_total": "counter",
    "storyfeed_delay_seconds": "gauge",
    "storyfeed_refused_requests_total": "counter",
    "process_cpu_seconds_total": "counter",
    "process_start_time_seconds": "gauge",
    "process_threads": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_open_fds": "gauge",
}


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(lag(17, 2.0, partition=4), seconds_to_loss=9.0, seconds_to_marker_expiry=8.0)
    full = status(
        lags=(late,),
        gaps=(),
        troubles=(),
        delays=delays_of([0.1, 0.2]),
        relay="host:1",
        consumers=2,
        counters={"fences": 4},
    )
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: full))


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    class Environment:
        metrics_token = TOKEN
        trusted_proxies = ()

    monkeypatch.setattr(settings, "ENVIRONMENT", Environment)


def ask(address: str = "127.0.0.1", **headers: str) -> Any:
    return Client().get("/metrics", REMOTE_ADDR=address, headers=headers)


def test_status_is_served_as_metrics() -> None:
    answer = ask()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples_of(answer.content.decode())
    assert found["storyfeed_outbox_rows"] == {(): 3.0}
    assert found["storyfeed_outbox_oldest_seconds"] == {(): 1.25}
    partition = (("partition", "4"), ("topic", "story-events"))
    assert found["storyfeed_lag_records"] == {partition: 17.0}
    assert found["storyfeed_lag_seconds"] == {partition: 2.0}
    assert found["storyfeed_time_to_data_loss_seconds"] == {partition: 9.0}
    assert found["storyfeed_time_to_marker_expiry_seconds"] == {partition: 8.0}
    assert found["storyfeed_dead_letters"] == {(): 5.0}
    assert found["storyfeed_gaps"] == {(): 0.0}
    assert found["storyfeed_failing_processes"] == {(): 0.0}
    assert {labels for labels, value in found["storyfeed_state"].items() if value} == {
        (("state", "dead_letters"),)
    }
    assert found["storyfeed_table_rows"] == {(("table", "stories_story"),): 41.0}
    documents = found["storyfeed_collection_documents"]
    assert documents == {(("collection", "copy_1"), ("table", "stories_story")): 42.0}
    assert found["storyfeed_fences_total"] == {(): 4.0}
    assert found["storyfeed_delay_seconds"][(("quantile", "0.95"),)] == 0.2
    assert found["storyfeed_relay_active"] == {(): 1.0}
    assert found["storyfeed_problems"] == {(): 0.0}
    assert [name for ((name, _),) in found["storyfeed_build_info"]] == ["version"]
    assert found["process_cpu_seconds_total"][()] > 0


def test_names_and_types_are_kept() -> None:
    text = ask().content.decode()
    types = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE"))
    assert types.items() >= TYPES.items()
    assert "_created" not in text


def test_openmetrics_is_served_on_request() -> None:
    REFUSED_REQUESTS.labels(503).inc(0)
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = ask(Accept=accept)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "\nstoryfeed_fences_total 4.0\n" in answer.content.decode()
    assert "_created" not in answer.content.decode()


@pytest.mark.parametrize("version", ["abc", "1.x.0", "9" * 5_000, "1..0", "\u00ff"])
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_a_malformed_version_gets_the_plain_format(kind: str, version: str) -> None:
    answer = Client().get("/metrics", headers={"Accept": f"{kind};version={version},*/*"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_unknown_values_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    away = status(outbox=None, lags=None, tables=None, counters=None, dead_letters=None)
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: away))
    text = ask().content.decode()
    assert "storyfeed_time_to" not in text
    names = ("outbox_rows", "outbox_oldest_seconds", "lag_records", "dead_letters", "table_rows")
    assert not [name for name in names if f"storyfeed_{name}" in text]


def test_unreadable_status_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise Retryable("Away.")

    monkeypatch.setattr(feed_state.feed, "latest", patient(fail))
    found = samples_of(ask().content.decode())
    assert found["storyfeed_problems"] == {(): 1.0}
    assert states(found) == {"unreachable"}
    assert found["storyfeed_healthy"] == {(): 0.0}
    assert "process_cpu_seconds_total" in found


def states(found: dict[str, Samples]) -> set[str]:
    return {dict(labels)["state"] for labels, on in found["storyfeed_state"].items() if on}


def test_an_old_status_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stops responding makes a reading take minutes, and pages say so at once."""
    end, statuses = threading.Event(), [healthy_status()]

    def read() -> Status:
        if not statuses:
            end.wait(60)
        return statuses.pop()

    latest = patient(read, fresh=0)
    monkeypatch.setattr(feed_state.feed, "latest", latest)
    assert samples_of(ask().content.decode())["storyfeed_healthy"] == {(): 1.0}
    monkeypatch.setattr(latest, "_patience", 0.01)
    # On a busy machine, the first reading may take longer than the value is old now.
    monkeypatch.setattr(latest, "_took", 0.0)
    found = samples_of(ask().content.decode())
    assert states(found) == {"unreachable"}
    assert found["storyfeed_healthy"] == {(): 0.0}
    assert found["storyfeed_problems"] == {(): 1.0}
    assert found["storyfeed_status_age_seconds"].keys() == {()}
    statuses.append(healthy_status())
    end.set()


def test_a_status_that_is_read_for_the_first_time_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()
    monkeypatch.setattr(feed_state.feed, "latest", Latest(lambda: end.wait(60), patience=0.01))
    text = ask().content.decode()
    assert "process_cpu_seconds_total" in text
    assert "storyfeed_healthy" not in text, "the alert StoryfeedNoStatus needs its absence"
    assert "storyfeed_problems" not in text
    end.set()


def test_each_silent_service_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    away = status(problems=("No topic.", "No group."), unreachable=("Kafka",))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: away))
    found = samples_of(ask().content.decode())
    assert found["storyfeed_problems"] == {(): 1.0}
    assert states(found) == {"unreachable"}


def test_a_gap_counts_before_a_consumer_has_found_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict says so at once, and consumers may be stopped for a long time."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    gap = OpenGap(topic="story-events", partition=1, lost_from=3, resumed_at=6, at=at)
    lost = [replace(lag(0, 0.0, partition=number), lost=True) for number in (1, 2)]
    found = status(gaps=(gap,), lags=(lag(0, 0.0), *lost))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: found))
    assert samples_of(ask().content.decode())["storyfeed_gaps"] == {(): 2.0}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1"])
def test_loopback_is_allowed(address: str) -> None:
    assert ask(address).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (ELSEWHERE, {}),
        ("", {}),
        (ELSEWHERE, {"X-Forwarded-For": "127.0.0.1"}),
        # From a proxy on this machine that TRUSTED_PROXIES does not contain.
        ("127.0.0.1", {"X-Forwarded-For": ELSEWHERE}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        (ELSEWHERE, {"Authorization": "Bearer "}),
    ],
)
def test_other_addresses_are_refused(address: str, headers: dict[str, str]) -> None:
    answer = ask(address, **headers)
    assert answer.status_code == 403
    assert "storyfeed_" not in answer.content.decode()


def test_client_of_a_trusted_proxy_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("users.client_address._proxies", lambda: ("127.0.0.0/8", "10.0.0.0/8"))
    for forwarded in ("127.0.0.1", f"127.0.0.1, {ELSEWHERE}", f"{ELSEWHERE}, 10.0.0.1", "10.0.0.1"):
        assert ask(**{"X-Forwarded-For": forwarded}).status_code == 403


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 403),
        (f"Bearer {TOKEN[:-1]}", 403),
        (f"Basic {TOKEN}", 403),
        ("Bearer ä", 403),
        ("", 403),
    ],
)
def test_token_admits_other_machines(token: None, given: str, code: int) -> None:
    assert ask(ELSEWHERE, Authorization=given).status_code == code


def test_only_reading_is_allowed() -> None:
    assert Client().post("/metrics").status_code == 405
