"""The table of the conditions in docs/operating.md is complete, and names existing alerts."""

from cdc.status.findings import State
from tests.acceptance.verdict.conditions import CONDITIONS
from tests.acceptance.verdict.table import rows
from tests.project.metrics.test_alerts import NAMES

ROWS = rows()
WITHOUT_CONDITION = {
    "StoryfeedUnhealthy",  # fires in all states but healthy
    "StoryfeedNoStatus",  # the state is not known
    "StoryfeedSlow",  # concerns the past
    "StoryfeedMarkerExpiryNear",  # develops only over days
}


def test_each_condition_of_the_table_is_produced() -> None:
    assert [(row.state, row.condition) for row in ROWS] == list(CONDITIONS)


def test_each_state_has_a_condition() -> None:
    assert list(dict.fromkeys(row.state for row in ROWS)) == list(State)


def test_the_exit_code_is_0_in_the_healthy_state_only() -> None:
    assert {row.exit_code for row in ROWS if row.state is State.HEALTHY} == {0}
    assert {row.exit_code for row in ROWS if row.state is not State.HEALTHY} == {1}


def test_each_alert_has_a_condition() -> None:
    assert set().union(*(row.alerts for row in ROWS)) == set(NAMES) - WITHOUT_CONDITION


def test_the_verdict_of_a_condition_fits_no_other_condition() -> None:
    """Otherwise the comparison of a view with the table would prove little."""
    verdicts = {row.verdict for row in ROWS}
    for row in ROWS:
        assert row.describes(row.verdict)
        others = {each for each in verdicts if row.describes(each)} - {row.verdict}
        assert not others, row


def test_numbers_and_names_may_differ_and_nothing_else() -> None:
    (row,) = (row for row in ROWS if row.condition == "no consumer is running")
    command = "start `manage.py consume_and_save_to_mongodb`."
    sentence = f"1 record in Kafka, the oldest for 3.1 s, and no consumer is running: {command}"
    assert row.describes(sentence)
    assert row.describes(f"{sentence} Also: dead letters.")
    assert not row.describes(sentence.replace("no consumer", "no relay"))
    assert not row.describes(sentence.replace(command, "see the log."))
