"""`/metrics`: what it tells, and to whom."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from cdc.errors import Retryable
from cdc.status.latency import delays_of
from project.metrics.process import process_metrics
from project.pages import feed_state
from project.pages.latest import Latest
from tests.project.metrics.test_exposition import parsed
from tests.support.status import busy_status as status

TOKEN = "a-token-of-some-length"
ELSEWHERE = "203.0.113.9"


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> None:
    full = status(delays=delays_of([0.1, 0.2]), relay="host:1", consumers=2, counters={"fences": 4})
    monkeypatch.setattr(feed_state.feed, "latest", Latest(lambda: full))


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    class Environment:
        metrics_token = TOKEN
        trusted_proxies = ()

    monkeypatch.setattr(settings, "ENVIRONMENT", Environment)


def ask(address: str = "127.0.0.1", **headers: str) -> Any:
    return Client().get("/metrics", REMOTE_ADDR=address, headers=headers)


def test_the_feed_is_told_in_numbers() -> None:
    answer = ask()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {name: samples for name, (_, _, samples) in parsed(answer.content.decode()).items()}
    assert found["storyfeed_outbox_rows"] == {(): 3.0}
    assert found["storyfeed_outbox_oldest_seconds"] == {(): 1.25}
    partition = (("partition", "4"), ("topic", "story-events"))
    assert found["storyfeed_lag_records"] == {partition: 17.0}
    assert found["storyfeed_lag_seconds"] == {partition: 2.0}
    assert found["storyfeed_dead_letters"] == {(): 5.0}
    assert found["storyfeed_table_rows"] == {(("table", "stories_story"),): 41.0}
    assert found["storyfeed_fences_total"] == {(): 4.0}
    assert found["storyfeed_delay_seconds"][(("quantile", "0.95"),)] == 0.2
    assert found["storyfeed_relay_active"] == {(): 1.0}
    assert found["storyfeed_problems"] == {(): 0.0}
    assert found["process_cpu_seconds_total"][()] > 0


def test_what_is_not_known_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    away = status(outbox=None, lags=None, tables=None, counters=None, dead_letters=None)
    monkeypatch.setattr(feed_state.feed, "latest", Latest(lambda: away))
    found = parsed(ask().content.decode())
    names = ("outbox_rows", "outbox_oldest_seconds", "lag_records", "dead_letters", "table_rows")
    assert not {f"storyfeed_{name}" for name in names} & set(found)


def test_a_feed_that_cannot_be_asked_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise Retryable("Away.")

    monkeypatch.setattr(feed_state.feed, "latest", Latest(fail))
    found = parsed(ask().content.decode())
    assert found["storyfeed_problems"][2] == {(): 1.0}
    assert "process_cpu_seconds_total" in found


def test_the_process_has_prometheus_own_names() -> None:
    assert {metric.name for metric in process_metrics()} == {
        *("process_cpu_seconds_total", "process_start_time_seconds", "process_threads"),
        *("process_resident_memory_bytes", "process_open_fds"),
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1"])
def test_this_machine_may_look(address: str) -> None:
    assert ask(address).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (ELSEWHERE, {}),
        ("", {}),
        (ELSEWHERE, {"X-Forwarded-For": "127.0.0.1"}),
        # A proxy on this machine that TRUSTED_PROXIES does not name.
        ("127.0.0.1", {"X-Forwarded-For": ELSEWHERE}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        (ELSEWHERE, {"Authorization": "Bearer "}),
    ],
)
def test_nobody_else_may(address: str, headers: dict[str, str]) -> None:
    answer = ask(address, **headers)
    assert answer.status_code == 403
    assert "storyfeed_" not in answer.content.decode()


def test_who_is_behind_a_trusted_proxy_is_not_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("users.address._proxies", lambda: ("127.0.0.0/8", "10.0.0.0/8"))
    for told in ("127.0.0.1", f"127.0.0.1, {ELSEWHERE}", f"{ELSEWHERE}, 10.0.0.1", "10.0.0.1"):
        assert ask(**{"X-Forwarded-For": told}).status_code == 403


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
def test_a_token_opens_them_to_other_machines(token: None, given: str, code: int) -> None:
    assert ask(ELSEWHERE, Authorization=given).status_code == code


def test_they_are_for_reading() -> None:
    assert Client().post("/metrics").status_code == 405
