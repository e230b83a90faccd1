"""A MongoDB replica set on loopback, in which each member can be behind a proxy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from project.stack.mongod import REPLICA_SET, Mongod
from project.stack.ports import LOOPBACK

_ALREADY_INITIATED = 23
_NO_SUCH_CONFIG = (94, 93, 74)
"""The member is not initiated, or another member does not respond yet."""


class Member(Mongod):
    """A member of a replica set. `hosts` maps each member's number to its advertised port."""

    def __init__(
        self, folder: Path, number: int, port: int, hosts: Mapping[int, int], *, quick: bool = True
    ) -> None:
        """`quick` shortens the timeouts of the set; otherwise they are MongoDB's defaults."""
        super().__init__(folder / f"mongod-{number}", port)
        self._number, self._hosts, self._quick = number, hosts, quick

    @property
    def uri(self) -> str:
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in self._hosts.values())
        return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def answers(self) -> bool:
        """Return whether this member is the primary or a secondary."""
        try:
            with self._connect() as client:
                self._initiate(client)
                hello = client.admin.command("hello")
                return bool(hello.get("isWritablePrimary") or hello.get("secondary"))
        except PyMongoError:
            return False

    def is_primary(self) -> bool:
        try:
            return self._is_primary()
        except PyMongoError:
            return False

    def _initiate(self, client: Any) -> None:
        if self._number != min(self._hosts) or self._is_member:
            return
        members = [
            {"_id": number, "host": f"{LOOPBACK}:{port}"} for number, port in self._hosts.items()
        ]
        config: dict[str, Any] = {"_id": REPLICA_SET, "members": members}
        if self._quick:
            config["settings"] = {"electionTimeoutMillis": 3000, "heartbeatIntervalMillis": 500}
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code in _NO_SUCH_CONFIG:
                return
            if error.code != _ALREADY_INITIATED:
                raise
        self._is_member = True
