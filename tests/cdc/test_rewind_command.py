"""The arguments of `rewind` are checked before anything is read or moved."""

import pytest
from django.core.management import CommandError, call_command

from cdc.errors import Misconfigured
from cdc.kafka.topics import Topics
from cdc.management.commands.rewind import Command
from cdc.registry import topic_names
from cdc.resync.rewind import at_time, earliest, rewind
from tests.support.feed_settings import without_servers


@pytest.mark.parametrize(
    "time",
    [
        "1969-12-31T23:59:59",
        "1900-01-01",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "10000-01-01",
        "-0001-01-01",
        "yesterday",
        "-1",
        "",
    ],
)
def test_a_time_that_kafka_cannot_look_up_is_refused(time: str) -> None:
    with pytest.raises(CommandError, match=r"is not a valid time between 1970 and 9999"):
        call_command(Command(), f"--to-time={time}")


def test_the_function_refuses_it_too() -> None:
    from_before = (
        Command().create_parser("manage.py", "rewind").parse_args(["--to-time", "1970-01-01"])
    )
    at_time(from_before.to_time)
    with pytest.raises(Misconfigured, match=r"The time is 1969-12-31T00:00:00\+00:00: use a time"):
        at_time(from_before.to_time.replace(year=1969, month=12, day=31))


@pytest.mark.parametrize(
    ("topics", "partition", "problem"),
    [
        (
            [],
            None,
            "No model is captured, so no position can be moved: register a model in a cdc.py.",
        ),
        (["a", "b"], None, "Kafka has no topic a or b: check KAFKA_TOPIC and KAFKA_BOOTSTRAP_"),
        (["a", "b"], 7, "There is no partition 7 of a or b: see `manage.py cdc_status`."),
    ],
)
def test_the_error_says_why_nothing_can_be_moved(
    monkeypatch: pytest.MonkeyPatch, topics: list[str], partition: int | None, problem: str
) -> None:
    monkeypatch.setattr(Topics, "partitions", lambda _self, _topic: ())
    settings = without_servers(
        bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/?replicaSet=a"
    )
    with pytest.raises(Misconfigured) as refused:
        rewind(settings, topics, earliest, partition, "somebody")

    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], topic_names()),
        (["--topic=story-events"], ["story-events"]),
        (["--topic=story-events-canary"], ["story-events-canary"]),
    ],
)
def test_only_the_named_topic_is_moved(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    moved: list[object] = []

    def record(_settings: object, topics: list[str], *_: object) -> list[object]:
        moved.extend(topics)
        return []

    monkeypatch.setattr("cdc.resync.rewind.rewind", record)
    call_command(Command(), "--to-earliest", "--partition=0", *arguments)

    assert moved == expected


def test_a_topic_that_is_not_captured_is_refused() -> None:
    with pytest.raises(CommandError, match=r"--topic is 'orders', .* story-events-canary,"):
        call_command(Command(), "--to-earliest", "--topic=orders")
