"""`next_id` returns the id that the database will assign next."""

import pytest
from django.db import connection, transaction

from cdc.outbox.next_id import _of_mysql, next_id
from tests.cdc.outbox.test_queue import row
from tests.support.outbox_ids import assign_from, drop_and_create, truncate

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def following() -> int:
    found = next_id(using="default")
    assert found is not None
    return found


def test_it_is_the_id_of_the_next_row() -> None:
    row()

    for _ in range(3):
        expected = following()
        assert row().id == expected


def test_an_empty_outbox_continues() -> None:
    last = row()
    last_id = last.id
    last.delete()

    assert following() == last_id + 1
    connection.close()
    assert following() == last_id + 1
    assert row().id == last_id + 1


@pytest.mark.row_locks
def test_an_id_that_was_rolled_back_is_not_assigned_again() -> None:
    with transaction.atomic():
        lost = row().id
        assert following() == lost + 1
        transaction.set_rollback(True)

    assert following() == lost + 1


def test_it_starts_again_with_the_table() -> None:
    row()
    truncate()
    assert following() == 1
    row()
    drop_and_create()
    assert following() == 1
    assert row().id == 1


def test_it_can_be_put_back() -> None:
    for _ in range(5):
        row()
    assign_from(3)

    assert following() == 3
    assert row().id == 3


ORDINARY = "ENGINE=InnoDB {} DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"
TABLE = """CREATE TABLE `cdc_outbox` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `key` varchar(9) DEFAULT 'ENGINE=x AUTO_INCREMENT=3',
  PRIMARY KEY (`id`)
) """
PARTITIONS = "\n/*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN MAXVALUE) */"


class Answer:
    """A cursor that returns a recorded answer of MySQL or MariaDB."""

    def __init__(self, printed: str) -> None:
        self.printed = printed
        self.asked: list[str] = []

    def execute(self, statement: str) -> None:
        self.asked.append(statement)

    def fetchone(self) -> tuple[str, str]:
        return "cdc_outbox", self.printed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ORDINARY.format("AUTO_INCREMENT=4711"), 4711),
        (ORDINARY.format("AUTO_INCREMENT=2"), 2),
        (ORDINARY.format(""), 1),
        ("ENGINE=InnoDB", 1),
        (ORDINARY.format("AUTO_INCREMENT=9223372036854775807"), 2**63 - 1),
        (f"{ORDINARY.format('AUTO_INCREMENT=12')} COMMENT='AUTO_INCREMENT=99'", 12),
        (f"ENGINE=InnoDB AUTO_INCREMENT=12{PARTITIONS.replace(chr(10) + '(', ' (')}", 12),
        ("/*!50100 TABLESPACE `a` */ ENGINE=InnoDB AUTO_INCREMENT=12", 12),
        ("a form that no server prints", None),
    ],
)
def test_it_is_read_from_the_options_of_the_table(options: str, expected: int | None) -> None:
    answer = Answer(TABLE + options)

    assert _of_mysql(answer) == expected
    assert answer.asked == ["SHOW CREATE TABLE cdc_outbox"]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_database_counts_for_itself() -> None:
    before = following()
    last = before + (next_id(using="other") or 0) + 1_000
    kept = row()
    kept.pk = last
    kept.save(using="other", force_insert=True)

    assert next_id(using="other") == last + 1
    assert following() == before + 1
