"""Stores the consumer processes of a group, one document for each instance name."""

from dataclasses import asdict, dataclass
from datetime import datetime

from bson.son import SON
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.mongo.plan import Document
from cdc.mongo.reports.indexes import expire_after

_KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A consumer process, identified across machines and restarts."""

    token: str
    """An id that is unique among all processes, past and present."""
    host: str
    machine: str
    """Identifies one boot of a machine or container; within it, process ids are unique."""
    pid: int
    started: str
    """The start time as the operating system reports it; empty if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A process, and the time of its last heartbeat by MongoDB's clock."""

    process: Process
    beat: datetime
    seconds_ago: float


class Instances:
    """Stores which process has an instance name.

    Each method raises Retryable if MongoDB is unavailable.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings, name: str) -> None:
        # The write concern `majority` is not needed: if a failover loses a heartbeat, the next
        # heartbeat replaces it.
        self._documents = database(client, settings).get_collection(
            settings.instances_collection,
            read_concern=ReadConcern("local"),
            write_concern=WriteConcern(1),
        )
        self._id: SON[str, str] = SON(group=settings.group, instance=name)

    def prepare(self) -> None:
        """Create the TTL index that removes a name one day after its last heartbeat."""
        with reaching():
            expire_after(self._documents, _KEPT_SECONDS)

    def read(self) -> Sighting | None:
        """Return the process that has the name, or None if no process has it."""
        age = {"$subtract": ["$$NOW", "$at"]}
        with reaching():
            found = list(
                self._documents.aggregate([{"$match": {"_id": self._id}}, {"$set": {"age": age}}])
            )
        if not found or found[0]["process"] is None:
            return None
        return Sighting(
            process=Process(**found[0]["process"]),
            beat=found[0]["at"],
            # The clock of a new primary may be behind that of the last one.
            seconds_ago=max(found[0]["age"], 0) / 1000,
        )

    def take(self, process: Process, last: Sighting | None) -> bool:
        """Assign the name to `process`, and return whether the assignment succeeded.

        The assignment succeeds only if the process of `last` still has the name and has stored no
        later heartbeat, or if the name is free and `last` is None.
        """
        held: Document = {"process": None}
        if last is not None:
            held = {"process.token": last.process.token, "at": last.beat}
        with reaching():
            try:
                taken = self._documents.update_one(
                    {"_id": self._id, **held},
                    {"$set": {"process": asdict(process)}, "$currentDate": {"at": True}},
                    upsert=last is None,
                )
            except DuplicateKeyError:
                return False
        return bool(taken.matched_count or taken.upserted_id)

    def beat(self, process: Process) -> None:
        """Store a heartbeat if `process` still has the name."""
        with reaching():
            self._documents.update_one(self._held_by(process), {"$currentDate": {"at": True}})

    def release(self, process: Process) -> None:
        """Release the name so that the next process does not have to wait."""
        with reaching():
            self._documents.update_one(self._held_by(process), {"$set": {"process": None}})

    def _held_by(self, process: Process) -> Document:
        return {"_id": self._id, "process.token": process.token}
