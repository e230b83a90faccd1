"""The verdict as the pages show it: its tone, its icon and what to do about it."""

from dataclasses import dataclass
from datetime import datetime

from cdc.operations import State
from project.pages.feed_state import FeedState


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The look of a state, and the page on which a user can resolve the problem."""

    tone: str
    """The kind of the notice: good, warn, bad or neutral."""
    icon: str
    remedy: str = ""
    """The text of the link to that page."""
    page: str = ""
    """The URL name of that page."""
    acts: bool = False
    """Whether only users who may act on the pipeline can open that page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sentence about the pipeline, and a word for its state."""

    word: str
    sentence: str
    since: datetime | None
    look: Look


_REPAIR = {"remedy": "Reconcile and repair…", "page": "repair"}
_UNKNOWN = Look(tone="neutral", icon="circle-dashed")
_LOOKS = {
    State.HEALTHY: Look(tone="good", icon="circle-check"),
    State.UNREACHABLE: Look(tone="bad", icon="unplug"),
    State.PAUSED: Look(tone="warn", icon="circle-pause"),
    State.DELAYED: Look(tone="warn", icon="hourglass"),
    State.FAILING: Look(tone="bad", icon="circle-x"),
    State.RECORDS_LOST: Look(tone="bad", icon="circle-x", acts=True, **_REPAIR),
    State.NOT_VERIFIED: Look(tone="warn", icon="triangle-alert", acts=True, **_REPAIR),
    State.OUT_OF_SYNC: Look(tone="bad", icon="circle-x", acts=True, **_REPAIR),
    State.DEAD_LETTERS: Look(
        tone="warn", icon="mail-warning", remedy="Show the dead letters", page="dead_letters"
    ),
}


def verdict_of(state: FeedState) -> Verdict:
    """Return the verdict on a state. Callers remove private text from the state if necessary."""
    if state.state is None:
        return Verdict(word="Unknown", sentence=state.verdict, since=None, look=_UNKNOWN)
    look = _LOOKS[state.state]
    since = None if state.healthy else state.since
    word = state.state.label
    # Some verdicts begin with the word, because other places show the verdict alone.
    sentence = state.verdict.removeprefix(f"{word}: ")
    if sentence.startswith(f"{word} "):
        sentence = sentence.removeprefix(f"{word} ")
        sentence = f"{sentence[:1].upper()}{sentence[1:]}"
    return Verdict(word=word, sentence=sentence, since=since, look=look)
