"""Times an outage from the readings of this process."""

import time
from collections.abc import Sequence

UNSEEN_SECONDS = 10.0
"""After this number of seconds without a reading, an outage may have ended and begun again."""
_UNNAMED = ("",)


class OutageClock:
    """Remembers since when each service has been found unreachable, without a break."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._seen_at = float("-inf")

    def seen(self, services: Sequence[str]) -> float:
        """Return for how many seconds, at least, all these services have been unreachable.

        `services` are those that have just been found unreachable; all others respond. The
        sequence is empty if it is not known which services are unreachable.
        """
        now = time.monotonic()
        known = self._since if now - self._seen_at <= UNSEEN_SECONDS else {}
        since = {name: known.get(name, now) for name in services or _UNNAMED}
        self._since, self._seen_at = since, now
        return now - max(since.values())

    def stop(self) -> None:
        """Forget the outage, because every service has responded."""
        self._since = {}
