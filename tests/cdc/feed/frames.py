"""Parses server-sent events as a browser does."""

from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Frames:
    """Parses bytes, which may be split anywhere. Stores the events and the last id."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    last_id: str = ""
    retry: int = 0
    """The reconnection delay that was received last, in milliseconds."""
    alive: int = 0
    """The number of received comments, which are heartbeats."""
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for block in whole:
            self._take(block.decode().split("\n"))

    def _take(self, lines: list[str]) -> None:
        fields: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, f"{line!r} is not a field"
            assert name in {"", "retry", "id", "event", "data"}, f"unknown field {name}"
            assert name not in fields or not name, f"{name} occurs twice in one event"
            fields[name] = value.removeprefix(" ")
        self.alive += "" in fields
        self.last_id = fields.get("id", self.last_id)
        self.retry = int(fields.get("retry", self.retry))
        if "data" in fields:
            self.events.append((fields["event"], orjson.loads(fields["data"])))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [data for event, data in self.events if event == name]

    @property
    def places(self) -> list[tuple[int, int]]:
        """The partition and offset of each change."""
        return [(data["partition"], data["offset"]) for data in self.named("change")]
