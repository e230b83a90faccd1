"""The base class of MySQL and MariaDB: data folder, user, password and readiness check."""

import os
import secrets
import shutil
from abc import abstractmethod
from contextlib import closing
from pathlib import Path

import MySQLdb

from project.stack.errors import StackError
from project.stack.output_summary import summary_line
from project.stack.ports import LOOPBACK
from project.stack.run_program import run
from project.stack.service import Service

USER = "storyfeed"
INITIALISE_SECONDS = 120.0
CONNECT_SECONDS = 5

# These statements run at each start. The user may create databases, as Django's test runner does.
INIT_SQL = """\
CREATE USER IF NOT EXISTS {user}@'{host}' IDENTIFIED BY '{password}';
ALTER USER {user}@'{host}' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO {user}@'{host}' WITH GRANT OPTION;
"""


class SqlServer(Service):
    """A MySQL-compatible server whose user `storyfeed` has all privileges over TCP.

    The password is generated when it is first needed, and stored in `folder` (mode 600).
    `durable=False` is for tests. The server is then faster, but has no binary log and may lose
    commits if the power fails.
    """

    def __init__(self, folder: Path, port: int, *, durable: bool = True) -> None:
        super().__init__(folder, port)
        self.durable = durable
        self._data = self.folder / "data"
        self._tmp = self.folder / "tmp"
        self._init_sql = self.folder / "init.sql"

    @abstractmethod
    def _initialise_command(self, data: Path) -> list[str]:
        """Return the command that initialises the data folder."""

    @abstractmethod
    def _server_command(self) -> list[str]:
        """Return the server's command without the options that MySQL and MariaDB share."""

    @property
    def password(self) -> str:
        """The password of the user `storyfeed`; generated on first use."""
        file = self.folder / "password"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_secret(file, secrets.token_urlsafe(18))
        return file.read_text()

    def url(self, name: str) -> str:
        """Return `mysql://storyfeed:PASSWORD@127.0.0.1:PORT/NAME`. The database need not exist."""
        return f"mysql://{USER}:{self.password}@{self.address}/{name}"

    def _prepare(self) -> None:
        self._tmp.mkdir(exist_ok=True)
        if not self._data.exists():
            self._initialise()
        sql = INIT_SQL.format(user=USER, host=LOOPBACK, password=self.password)
        _write_secret(self._init_sql, sql)

    def _command(self) -> list[str]:
        return [
            *self._server_command(),
            f"--datadir={self._data}",
            f"--bind-address={LOOPBACK}",
            f"--port={self.port}",
            # This path is relative to the data folder, because an absolute path may exceed the
            # limit of 107 bytes.
            "--socket=mysqld.sock",
            f"--pid-file={self.folder}/mysqld.pid",
            f"--init-file={self._init_sql}",
            f"--tmpdir={self._tmp}",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=134217728",
            *([] if self.durable else FAST_OPTIONS),
            *as_root(),
        ]

    def answers(self) -> bool:
        """Return whether the user can log in and run a query."""
        try:
            self.version()
        except MySQLdb.Error:
            return False
        return True

    def version(self) -> str:
        """Return the result of `SELECT VERSION()`."""
        connection = MySQLdb.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=self.password,
            connect_timeout=CONNECT_SECONDS,
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            return str(cursor.fetchone()[0])

    def _initialise(self) -> None:
        """Create the data folder. Remove the leftovers of an interrupted attempt first."""
        fresh = self._data.with_name("data.unfinished")
        shutil.rmtree(fresh, ignore_errors=True)
        done = run(self._initialise_command(fresh), seconds=INITIALISE_SECONDS)
        if done.exit_code != 0:
            raise StackError(
                f"{self.name}'s data folder {fresh} cannot be initialised "
                f"({summary_line(done.output)}); "
                "check that the disk is writable and not full."
            )
        fresh.rename(self._data)


FAST_OPTIONS = (
    "--skip-log-bin",
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",
    "--skip-innodb-doublewrite",
)


def as_root() -> list[str]:
    """Return the option that MySQL and MariaDB need to run as root; empty for other users.

    The servers do not run as another user, because another user could not read `folder`.
    """
    return ["--user=root"] if os.geteuid() == 0 else []


def _write_secret(file: Path, text: str) -> None:
    """Create a file with mode 600 and write `text` to it."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
