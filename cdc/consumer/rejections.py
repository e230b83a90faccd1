"""How many messages may become dead letters before it is the feed that is wrong."""

from collections import deque

from cdc.errors import Fatal

MOST_REJECTED = 100
"""Dead letters that a consumer bears among the last `AMONG` messages: one in ten."""
AMONG = 1_000


class RejectionLimit:
    """Stops a consumer whose messages are bad in number, not one here and there.

    A producer that writes another format, or a consumer older than its topic, would turn the
    whole topic into dead letters. Counted from the start of the process and without the letters
    that were kept before it, so a consumer that is started again gets as far once more.
    """

    def __init__(self, most: int = MOST_REJECTED, among: int = AMONG) -> None:
        self._most = most
        self._among = among
        self._seen = 0
        self._rejected: deque[int] = deque()

    def applied(self, messages: int) -> None:
        """Count messages that were applied."""
        self._seen += messages

    def rejected(self) -> None:
        """Count one that became a dead letter just now; raises Fatal over the limit."""
        self._seen += 1
        self._rejected.append(self._seen)
        while self._rejected[0] <= self._seen - self._among:
            self._rejected.popleft()
        if len(self._rejected) > self._most:
            raise Fatal(
                f"{len(self._rejected)} of the last {min(self._seen, self._among)} messages became "
                f"dead letters, more than {self._most}: the consumer stops before their batch, "
                "nothing is skipped. See what they say by `manage.py dead_letters list`, mend "
                "what writes them, and start the consumer again: it goes on where it stopped."
            )
