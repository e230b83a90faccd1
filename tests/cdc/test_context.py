"""The actor and the trace of a change."""

import asyncio
import sys

import pytest
from asgiref.sync import sync_to_async

from cdc.context import acting_as, current_actor, current_traceparent, traced


@pytest.mark.parametrize(
    ("command_line", "name"),
    [
        (["manage.py", "import_stories", "x.json"], "import_stories"),
        (["/srv/app/manage.py", "loaddata"], "loaddata"),
        (["/lib/django/__main__.py", "migrate"], "migrate"),
        (["manage.py"], "manage.py"),
        (["/usr/bin/uvicorn", "project.asgi"], "uvicorn"),
        (["/bin/caf\udce9"], "caf?"),
    ],
)
def test_a_command_acts_under_its_name(
    monkeypatch: pytest.MonkeyPatch, command_line: list[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", command_line)

    assert current_actor() == name


def test_blocks_nest_and_end() -> None:
    before = current_actor()
    with acting_as("1"):
        with acting_as(lambda: "2"):
            assert current_actor() == "2"
        assert current_actor() == "1"
    assert current_actor() == before


def test_a_block_ends_with_an_error() -> None:
    before = current_actor()
    with pytest.raises(ZeroDivisionError), acting_as("1"):
        raise ZeroDivisionError
    assert current_actor() == before


def test_a_name_is_truncated_to_its_column() -> None:
    with acting_as("x" * 300):
        assert current_actor() == "x" * 255


def test_each_task_has_its_own_actor() -> None:
    async def act(name: str) -> tuple[str, str]:
        with acting_as(name):
            await asyncio.sleep(0)
            return current_actor(), await sync_to_async(current_actor)()

    async def both() -> list[tuple[str, str]]:
        return list(await asyncio.gather(act("1"), act("2")))

    assert asyncio.run(both()) == [("1", "1"), ("2", "2")]


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_set_inside_its_block() -> None:
    with traced(GOOD):
        assert current_traceparent() == GOOD
        with traced(""):
            assert current_traceparent() == ""
        assert current_traceparent() == GOOD
    assert current_traceparent() == ""


@pytest.mark.parametrize(
    "bad",
    [
        "",
        GOOD.upper(),
        GOOD + "\n",
        f"{GOOD}-more",
        GOOD.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        GOOD.replace("b7ad6b7169203331", "0" * 16),
        "01" + GOOD[2:],
        "x",
    ],
)
def test_a_malformed_trace_is_ignored(bad: str) -> None:
    with traced(bad):
        assert current_traceparent() == ""
