"""The verdict on the pipeline: the most important finding, with its cause and its remedy.

`findings.py` decides what is wrong and what is most important. The terminal, the pages and the
metrics render the same Status object.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cdc.printable import counted
from cdc.status.findings import Finding, State, findings
from cdc.status.observed import Observed
from cdc.status.outage import outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Observed):
    """The state of the pipeline. None means that a value could not be read; see `problems`."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is wrong, the most important first; empty if the pipeline is healthy."""
        return findings(self)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; see `cdc.status.findings` for the definition."""
        return not self.findings

    @property
    def state(self) -> State:
        """The state of the most important finding."""
        return next((each.state for each in self.findings), State.HEALTHY)

    @property
    def since(self) -> datetime | None:
        """When the most important finding began; None if this is not known."""
        return next((each.since for each in self.findings), None)

    @property
    def verdict(self) -> str:
        """The most important finding as a sentence, and the states of the other findings."""
        found = self.findings
        if not found:
            return self._in_transit or (self._in_sync if self.equal else self._moving)
        return f"{found[0].text}{_also(found)}"

    def verdict_after(self, seconds: float) -> str:
        """Return the verdict during an outage that has lasted for `seconds` or longer."""
        text = outage(self.unreachable, self.queued, seconds, none_lost=self.none_lost)
        return f"{text}{_also(self.findings)}"

    @property
    def _in_transit(self) -> str:
        if not self.waiting:
            return ""
        oldest = max(self.outbox_seconds, self.kafka_seconds)
        return f"{counted(self.waiting, 'change')} in transit, the oldest for {oldest:.1f} s."

    @property
    def _moving(self) -> str:
        changes = counted(self.moved, "change")
        return f"{changes} in transit while the rows and the documents were counted."

    @property
    def _in_sync(self) -> str:
        rows = sum(table.rows for table in self.tables or ())
        proof = "" if self.reconcile else ", counted but not yet compared field by field"
        return f"In sync: {counted(rows, 'row')} everywhere{proof}."

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON-compatible data, as documented in docs/status.md."""
        judged = {
            "waiting": self.waiting,
            "healthy": self.healthy,
            "state": self.state,
            "since": self.since,
            "verdict": self.verdict,
            "findings": [asdict(each) for each in self.findings],
        }
        shape: dict[str, Any] = _plain({**asdict(self), **judged})
        return shape


def _also(found: Sequence[Finding]) -> str:
    """Name the states of the findings after the first one."""
    others = dict.fromkeys(each.state for each in found[1:] if each.state is not found[0].state)
    names = ", ".join(state.label.lower() for state in others)
    return f" Also: {names}." if names else ""


def _plain(value: Any) -> Any:
    """Return a value with each time as ISO 8601 text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
