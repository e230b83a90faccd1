"""What the page that cancels a job says about each kind of job."""

import pytest

from cdc.jobs.kinds import COUNT, KINDS, RECONCILE, REPAIR, SNAPSHOT

STOPS = "The job stops after the current chunk of rows."


@pytest.mark.parametrize("kind", [COUNT, RECONCILE])
def test_the_cancel_of_a_job_that_sends_nothing_mentions_no_events(kind: str) -> None:
    assert KINDS[kind].on_cancel == STOPS


@pytest.mark.parametrize("kind", [SNAPSHOT, REPAIR])
def test_the_cancel_of_a_job_that_sends_events_says_that_they_are_harmless(kind: str) -> None:
    assert KINDS[kind].on_cancel == (
        f"{STOPS} Events that were already sent are harmless: each contains a state that its row "
        "really had."
    )
