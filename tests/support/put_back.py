"""Returns the test's database to an older state, as a restored backup does."""

from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from cdc.outbox.next_id import next_id


class DatabaseCopy:
    """A copy of the test's database, taken when this object is created.

    For SQLite it is a copy of the file. For MySQL and MariaDB it is a copy of every table and of
    the outbox's next id. Daemons may run while a copy is taken or put back, but no story may be
    saved, because the tables are copied one after another.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "copy.sqlite3"
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(self._file)])
            return
        self._next_id = next_id(using="default")
        self._tables = [
            name
            for name in connection.introspection.table_names()
            if not name.endswith("_copied") and name != "django_migrations"
        ]
        for name in self._tables:
            self._run([f"DROP TABLE IF EXISTS {name}_copied"])
            self._run([f"CREATE TABLE {name}_copied AS SELECT * FROM {name}"])

    def put_back(self) -> None:
        if connection.vendor == "sqlite":
            file = Path(connection.settings_dict["NAME"])
            connection.close()
            for leftover in file.parent.glob(f"{file.name}-*"):
                leftover.unlink()
            self._file.replace(file)
            return
        statements = ["SET foreign_key_checks = 0"]
        for name in self._tables:
            if name != "cdc_outbox":
                statements += [
                    f"TRUNCATE TABLE {name}",
                    # A daemon may have inserted its row again.
                    f"REPLACE INTO {name} SELECT * FROM {name}_copied",
                ]
        statements += [
            # The outbox comes last and is replaced in one step: as soon as its ids are lower, the
            # relay may begin a new epoch, and a job may fill the outbox.
            "CREATE TABLE outbox_put_back LIKE cdc_outbox",
            "INSERT INTO outbox_put_back SELECT * FROM cdc_outbox_copied",
            f"ALTER TABLE outbox_put_back AUTO_INCREMENT = {self._next_id}",
            "RENAME TABLE cdc_outbox TO outbox_replaced, outbox_put_back TO cdc_outbox",
            "DROP TABLE outbox_replaced",
            "SET foreign_key_checks = 1",
            *(f"DROP TABLE {name}_copied" for name in self._tables),
        ]
        self._run(statements)

    def _run(self, statements: Sequence[str]) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
