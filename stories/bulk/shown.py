"""Refuses a decision on a story that has changed since the page showed it.

Until the review, the submitter may edit the story. Other editors may decide on it first.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from cdc.errors import Refused
from stories.models import Story, reason_of

SHOWN = "shown"
"""The parameter with the codes of the stories on a page. A value is a key, a colon and a code."""
_LENGTH = 16


class Unseen(Refused):
    """A story has changed since the page with the decision was opened."""


def code_of(story: Story) -> str:
    """Return a code of the columns that a reviewer examines, for a hidden field."""
    decided = [story.status, reason_of(story)]
    content = [story.link, story.title, story.topic, story.description, *decided]
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def read_codes(values: Iterable[str]) -> dict[int, str]:
    """Return the posted codes by the keys of their stories."""
    pairs = (value.partition(":") for value in values)
    return {int(key): code for key, _, code in pairs if key.isdecimal() and len(key) < _LENGTH}


def refuse_unseen(stories: Iterable[Story], codes: Mapping[int, str]) -> None:
    """Raise Unseen if a story differs from what was shown. Stories without a code are ignored."""
    unseen = [each for each in stories if each.pk in codes and codes[each.pk] != code_of(each)]
    if not unseen:
        return
    others = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
    verb = "were" if others else "was"
    raise Unseen(
        f"“\u2068{unseen[0].title[:60]}\u2069”{others} {verb} changed in the meantime. Check what "
        "is shown now, then decide again."
    )
