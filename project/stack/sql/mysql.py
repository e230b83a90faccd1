"""MySQL from Debian's unstable release; the stable release has only MariaDB."""

from pathlib import Path

from project.stack.sql.debian import MYSQL, DebianTree
from project.stack.sql.server import SqlServer, as_root

OPTIONS = ("--mysqlx=OFF", "--skip-name-resolve", "--secure-file-priv=NULL")


class MySQL(SqlServer):
    """MySQL 9 from a Debian tree in the cache folder.

    The server runs with the tree's own loader and libraries. Root and chroot are needed only to
    build the tree.
    """

    name = "mysql"

    def install(self) -> None:
        """Build the tree unless it exists (about 1 minute, 500 MB, as root)."""
        MYSQL.install()

    def _initialise_command(self, data: Path) -> list[str]:
        return [*_mysqld(MYSQL), "--initialize-insecure", f"--datadir={data}", *as_root()]

    def _server_command(self) -> list[str]:
        return [*_mysqld(MYSQL), *OPTIONS]


def _mysqld(tree: DebianTree) -> list[str]:
    """`--no-defaults` must come first; `--basedir` locates plugins and messages."""
    return [*tree.command("usr/sbin/mysqld"), "--no-defaults", f"--basedir={tree.folder}/usr"]
