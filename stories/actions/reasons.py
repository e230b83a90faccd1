"""Common reasons for a rejection. A reviewer chooses one, and may change its text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonReason:
    """A reason that fits many stories."""

    key: str
    """The value of the parameter `preset`, which fills in the form without a script."""
    label: str
    text: str
    """The text for the submitter."""


COMMON_REASONS = (
    CommonReason(key="spam", label="Spam", text="The page is an advertisement."),
    CommonReason(key="broken", label="Broken link", text="The page cannot be opened."),
    CommonReason(key="duplicate", label="Duplicate", text="Another story covers the same news."),
    CommonReason(
        key="title",
        label="Misleading title",
        text="The title does not match the content of the page.",
    ),
    CommonReason(key="offensive", label="Offensive", text="The page insults or threatens people."),
)
_TEXTS = {each.key: each.text for each in COMMON_REASONS}


def text_of(key: str) -> str:
    """Return the text of a common reason; an empty string if there is no such reason."""
    return _TEXTS.get(key, "")
