"""Fault points have names, count how often they are reached, and do nothing by default."""

import os
import signal

import pytest

from cdc.errors import Misconfigured
from cdc.runtime.fault_points import RELAY_READ, VARIABLE, Faults, parse


def test_a_point_stops_the_process_the_named_time_it_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    faults = Faults({VARIABLE: "relay.read:kill:2"})

    faults.reach(RELAY_READ)
    assert not sent
    faults.reach(RELAY_READ)
    faults.reach(RELAY_READ)

    assert sent == [(os.getpid(), signal.SIGKILL)]


def test_nothing_is_armed_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))

    Faults({}).reach(RELAY_READ)


@pytest.mark.parametrize("text", ["nowhere:kill", "relay.read:pause", "relay.read:stop:x"])
def test_a_wrong_point_is_refused_with_the_valid_ones(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"CDC_FAULT contains .* POINT one of"):
        parse(text)
