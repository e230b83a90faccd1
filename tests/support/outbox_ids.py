"""Makes the database assign outbox ids a second time, as after an accident."""

from django.db import connection

TABLE = "cdc_outbox"


def assign_from(number: int) -> None:
    """Empty the outbox and set its next id to `number`, as in a restored database."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")
        if connection.vendor == "sqlite":
            cursor.execute(
                "UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [number - 1, TABLE]
            )
        else:
            cursor.execute(f"ALTER TABLE {TABLE} AUTO_INCREMENT = {number}")


def truncate() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"DELETE FROM {TABLE}")
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [TABLE])
        else:
            cursor.execute(f"TRUNCATE TABLE {TABLE}")


def drop_and_create() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [TABLE])
            statement = cursor.fetchone()[0]
        else:
            cursor.execute(f"SHOW CREATE TABLE {TABLE}")
            statement = cursor.fetchone()[1].rpartition("\n)")[0] + "\n)"
        cursor.execute(f"DROP TABLE {TABLE}")
        cursor.execute(statement)
