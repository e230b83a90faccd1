"""The table of the conditions in docs/operating.md is complete, and names existing alerts."""

from dataclasses import replace
from typing import Any

from cdc.status.facts import ChangedColumns, TableCount
from cdc.status.findings import State
from tests.acceptance.verdict.conditions import CONDITIONS
from tests.acceptance.verdict.table import rows
from tests.project.metrics.test_alerts import NAMES
from tests.support.paths import ROOT
from tests.support.status import healthy_status, lag

ROWS = rows()
NOT_PRODUCED: dict[str, dict[str, Any]] = {
    "a topic does not exist, although consumers have read it": {
        "missing_topics": ("story-events",),
        "lags": (),
    },
    "a topic was deleted and created again": {
        "lags": (replace(lag(0, 0.0), lost=True, recreated=True),),
    },
    "a topic that no model uses any more has unread records": {
        "abandoned_topics": ("old-events",),
    },
    "a dead letter was discarded, and its row may differ from the documents": {
        "discarded": (
            "The documents of 1 row whose dead letters were discarded may differ from the "
            "database: run `manage.py reconcile --repair`."
        ),
    },
    "a count of documents took too long": {
        "tables": (
            TableCount(table="stories_story", rows=3, documents={}, uncounted=("stories_story_1",)),
        ),
    },
    "documents have a column that the model no longer has": {
        "columns": (ChangedColumns(table="stories_story", lacking=(), left_over=("language",)),),
    },
}
"""The conditions of the second table, and the status in each of them."""
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
    """Otherwise, the comparison of a view with the table would prove little."""
    verdicts = {row.verdict for row in ROWS}
    for row in ROWS:
        assert row.describes(row.verdict)
        others = {each for each in verdicts if row.describes(each)} - {row.verdict}
        assert not others, row


def test_the_second_table_has_the_verdicts_of_the_code() -> None:
    header = "| state | condition | the verdict, for example | alerts |"
    _, found, rest = (ROOT / "docs/operating.md").read_text().partition(header)
    assert found
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    documented = [[cell.strip() for cell in line.strip("|").split("|")][:3] for line in lines]
    statuses = {name: healthy_status(**changes) for name, changes in NOT_PRODUCED.items()}
    assert documented == [
        [f"`{status.state}`", name, f'"{status.verdict}"'] for name, status in statuses.items()
    ]


def test_numbers_and_names_may_differ_and_nothing_else() -> None:
    (row,) = (row for row in ROWS if row.condition == "no consumer is running")
    command = "start `manage.py consume_and_save_to_mongodb`."
    sentence = f"1 record in Kafka, the oldest for 3.1 s, and no consumer is running: {command}"
    assert row.describes(sentence)
    assert row.describes(f"{sentence} Also: dead letters.")
    assert not row.describes(sentence.replace("no consumer", "no relay"))
    assert not row.describes(sentence.replace(command, "see the log."))
