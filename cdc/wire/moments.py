"""Points in time that Kafka can look up: from 1970 to the end of 9999."""

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int | None:
    """Return the time in milliseconds since 1970; None if Kafka cannot look it up.

    A time without a zone is in UTC. Kafka gives negative times a special meaning.
    """
    try:
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None
    return None if at < _EPOCH else int(at.timestamp() * 1000)
