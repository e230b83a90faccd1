"""MariaDB from Debian's package.

That package also starts a server of its own on port 3306: it is left alone.
"""

import shutil
from pathlib import Path

from project.stack.errors import StackError
from project.stack.sql.server import SqlServer, as_root

# Debian puts servers here, and a person's own PATH often lacks it.
SERVER_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/libexec"


class MariaDB(SqlServer):
    """MariaDB; needs Debian's `mariadb-server-core`."""

    name = "mariadb"

    def install(self) -> None:
        """Nothing to fetch; checks that the programs are there."""
        find_program("mariadbd")
        find_program("mariadb-install-db")

    def _initialise_command(self, data: Path) -> list[str]:
        return [
            *(find_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
            *as_root(),
        ]

    def _server_command(self) -> list[str]:
        return [find_program("mariadbd"), "--no-defaults", "--skip-name-resolve"]


def find_program(name: str) -> str:
    """The path of a program of the package; StackError when it is not installed."""
    if path := shutil.which(name) or shutil.which(name, path=SERVER_FOLDERS):
        return path
    raise StackError(f"{name} is not installed; run `apt-get install mariadb-server` as root.")
