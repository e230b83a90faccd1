"""The trace that a change is part of."""

import pytest

from cdc.trace import current_traceparent, traced

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_carried_inside_its_block() -> None:
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
def test_what_is_no_trace_is_dropped(bad: str) -> None:
    with traced(bad):
        assert current_traceparent() == ""
