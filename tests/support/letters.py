"""Dead letters for tests, stored as the consumer stores them."""

from cdc.dead_letters.store import DeadLetterStore
from cdc.models import DeadLetter
from cdc.wire.records import Record, TopicPartition
from tests.support.builders import change, outgoing


def letter(
    key: bytes | None = b'{"id":1}',
    value: bytes | None = b'{"source":{"table":"stories_story"}}',
    reason: str = "op is null, not one of c, u, d, r.",
) -> DeadLetter:
    """Store a dead letter and return it."""
    offset = DeadLetter.objects.count()
    record = Record(source=TopicPartition("story-events", 3), offset=offset, key=key, value=value)
    DeadLetterStore("storyfeed", "default").store(record, "topic 1", reason)
    return DeadLetter.objects.get(offset=offset)


def letter_about(key: int) -> DeadLetter:
    """Store a dead letter with a valid event of story `key`; its title differs from the row's."""
    sent = outgoing(change("u", key, 5, title="as the message has it"), "story-events")
    return letter(sent.key, sent.value)
