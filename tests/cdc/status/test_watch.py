"""`cdc_status --watch` refreshes the status every second until it is stopped."""

import json

import pytest

from cdc.status.verdict import Status
from cdc.status.watch import watch
from cdc.testing.twins import FakeClock
from tests.support.status import healthy_status


@pytest.mark.parametrize("as_json", [True, False])
def test_it_is_shown_every_second_until_the_stop(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock()
    began, reads = clock.now, list[float]()

    def read() -> Status:
        reads.append(clock.now - began)
        return healthy_status()

    watch(read, lambda: len(reads) == 3, as_json=as_json, clock=clock)
    assert [round(seconds) for seconds in reads] == [0, 1, 2]
    shown = capsys.readouterr().out
    if as_json:
        assert [json.loads(line)["healthy"] for line in shown.splitlines()] == [True] * 3
    else:
        assert shown.count("In sync") == 3


def test_a_stop_before_the_first_read_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    watch(healthy_status, lambda: True, as_json=True, clock=FakeClock())
    assert capsys.readouterr().out == ""
