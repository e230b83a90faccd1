"""Messages that can never be applied, kept in the database, each once."""

from django.db import Error, connections

from cdc.errors import Fatal
from cdc.models import DeadLetter
from cdc.record import Record


class DeadLetterStore:
    """Keeps the dead letters of one consumer group."""

    def __init__(self, group: str, using: str) -> None:
        self._group = group
        self._using = using

    def store(self, record: Record, reason: str) -> None:
        """Keep a message unless it is kept already; raises Fatal when it cannot be kept.

        It must be kept before its offset moves, so a consumer that cannot keep it stops.
        """
        try:
            DeadLetter.objects.using(self._using).get_or_create(
                group=self._group,
                topic=record.source.topic,
                partition=record.source.partition,
                offset=record.offset,
                defaults={"key": record.key, "value": record.value, "reason": reason},
            )
        except Error as error:
            connections[self._using].close()
            raise Fatal(
                f"The message at {record.source.topic} {record.source.partition}:{record.offset} "
                f"cannot be applied, nor kept as a dead letter ({error}): "
                "see that the database is up and migrated."
            ) from error
