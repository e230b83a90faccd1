"""MariaDB from Debian's package.

If the package has started a server on port 3306, that server is not used.
"""

import shutil
from pathlib import Path

from project.stack.errors import StackError
from project.stack.sql.server import SqlServer, as_root

# Debian installs servers here; a user's PATH often lacks these folders.
SERVER_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/libexec"


class MariaDB(SqlServer):
    """MariaDB; needs Debian's `mariadb-server-core` and `mariadb-client-core`."""

    name = "mariadb"

    def install(self) -> None:
        """Check that Debian's packages are installed."""
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
    """Return the path of a program of the package. Raise StackError if it is not installed."""
    if path := shutil.which(name) or shutil.which(name, path=SERVER_FOLDERS):
        return path
    raise StackError(
        f"{name} is not installed; "
        "run `apt-get install mariadb-server-core mariadb-client-core` as root."
    )
