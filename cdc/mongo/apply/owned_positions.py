"""The positions of the partitions that this process owns."""

from collections.abc import Mapping
from typing import Any

from pymongo import ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from cdc.errors import Fenced
from cdc.mongo.client import position_id
from cdc.mongo.plan import Document, StoredPosition
from cdc.mongo.positions import resumed_after_gap
from cdc.wire.records import LeaderEpochs, TopicPartition

_TAKE_OVER_MS = 5_000
"""The limit of one attempt: a transaction may lock the position, or no majority may answer."""


class OwnedPositions:
    """Takes over partitions and moves their positions.

    A position moves only if it has the owner and the next offset that this process expects. A
    process that has lost a partition therefore cannot write.
    """

    def __init__(self, positions: Collection[Document], group: str, owner: str) -> None:
        self._positions = positions
        self._group = group
        self._owner = owner
        self._expected: dict[TopicPartition, int | None] = {}

    def take_over(
        self, source: TopicPartition, topic_id: str, session: ClientSession
    ) -> StoredPosition:
        """Take over the partition and return the partition's position.

        An open transaction of the previous owner would lock the position, so the previous owner's
        session is ended first. After the takeover, every write of the previous owner fails.
        """
        name = position_id(self._group, source)
        last = self._positions.find_one({"_id": name}) or {}
        self._end_session(last.get("session"), session)
        recreated = last.get("topic_id", topic_id) != topic_id
        mine = {"owner": self._owner, "topic_id": topic_id, "session": _session_id(session)}
        found: Document | None = self._positions.find_one_and_update(
            {"_id": name},
            resumed_after_gap(last.get("next_offset"), None, mine) if recreated else {"$set": mine},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            maxTimeMS=_TAKE_OVER_MS,
        )
        position = found or {}
        next_offset = self._expected[source] = position.get("next_offset")
        return StoredPosition(
            next_offset=next_offset, recreated=recreated, leader_epoch=position.get("leader_epoch")
        )

    def record_gap(self, source: TopicPartition, resume_at: int) -> StoredPosition:
        """Move the position to `resume_at`. If there was a position before, also store the gap.

        The gap is the range of records that Kafka has lost and that may not have been applied.

        Raise Fenced if another consumer took over the partition, or the position was moved.
        """
        lost_from = self._expected.get(source)
        moved = self._positions.update_one(
            self._mine(source), resumed_after_gap(lost_from, resume_at, {})
        )
        if not moved.matched_count:
            raise Fenced(
                f"Another consumer took over partition {source.partition} of {source.topic}, "
                "or the position of this partition was moved."
            )
        self._expected[source] = resume_at
        return StoredPosition(next_offset=resume_at, recreated=False)

    def advance(
        self,
        advance: Mapping[TopicPartition, int],
        leader_epochs: LeaderEpochs,
        session: ClientSession,
    ) -> None:
        """Move positions in the session's transaction.

        Raise Fenced if another consumer took over a partition, or a position was moved.
        """
        moves: list[Any] = [
            UpdateOne(
                self._mine(source),
                {"$set": {"next_offset": offset, "leader_epoch": leader_epochs.get(source)}},
            )
            for source, offset in sorted(advance.items())
        ]
        result = self._positions.bulk_write(moves, session=session)
        if result.matched_count != len(moves):
            raise Fenced(
                "Another consumer took over a partition of the batch, or a position of the batch "
                "was moved."
            )

    def expect(self, advance: Mapping[TopicPartition, int]) -> None:
        """Store the new positions, after the transaction that moved them was committed."""
        self._expected.update(advance)

    def check(self, sources: frozenset[TopicPartition]) -> None:
        """Raise Fenced if a partition in `sources` was taken over or its position was moved."""
        if not sources:
            return
        names = [position_id(self._group, source) for source in sources]
        held = {
            TopicPartition(item["_id"]["topic"], item["_id"]["partition"]): (
                item.get("owner"),
                item.get("next_offset"),
            )
            for item in self._positions.find({"_id": {"$in": names}})
        }
        for source in sources:
            if held.get(source) != (self._owner, self._expected.get(source)):
                raise Fenced(
                    f"Another consumer took over partition {source.partition} of {source.topic}, "
                    "or the position of this partition was moved."
                )

    def forget(self) -> None:
        """Forget the expected positions."""
        self._expected.clear()

    def _mine(self, source: TopicPartition) -> Document:
        return {
            "_id": position_id(self._group, source),
            "owner": self._owner,
            "next_offset": self._expected.get(source),
        }

    def _end_session(self, last: Any, mine: ClientSession) -> None:
        if last is not None and last != _session_id(mine):
            self._positions.database.client.admin.command("killSessions", [{"id": last}])


def _session_id(session: ClientSession) -> Any:
    return session.session_id["id"]
