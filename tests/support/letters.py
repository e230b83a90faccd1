"""Dead letters for tests, made the way that the consumer makes them."""

from cdc.dead_letters.store import DeadLetterStore
from cdc.models import DeadLetter
from cdc.wire.records import Record, TopicPartition
from tests.support.builders import change, outgoing


def letter(
    key: bytes | None = b'{"id":1}',
    value: bytes | None = b'{"source":{"table":"stories_story"}}',
    reason: str = "op is null, not one of c, u, d, r.",
) -> DeadLetter:
    """Keep one more message."""
    offset = DeadLetter.objects.count()
    record = Record(source=TopicPartition("story-events", 3), offset=offset, key=key, value=value)
    DeadLetterStore("storyfeed", "default").store(record, "topic 1", reason)
    return DeadLetter.objects.get(offset=offset)


def letter_about(key: int) -> DeadLetter:
    """Keep a message about story `key` that is well-formed, with a title of its own."""
    sent = outgoing(change("u", key, 5, title="as the message has it"), "story-events")
    return letter(sent.key, sent.value)
