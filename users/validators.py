"""Validation of a user's name and e-mail address."""

import unicodedata

from django.core.exceptions import ValidationError

_LONGEST_LOCAL_PART = 64
_LONGEST_PASSWORD = 128
# Fonts draw these as empty space: the fillers of Hangul and the blank of braille.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def is_visible(text: str) -> bool:
    """Return whether a text has a visible character. The text of a link must have one."""
    return any(
        unicodedata.category(character)[0] in "LNPS" and character not in _BLANK
        for character in text
    )


def validate_name(value: str) -> None:
    """Refuse control characters, line breaks and invisible names."""
    kinds = {unicodedata.category(character) for character in value}
    if kinds & {"Cc", "Cs", "Zl", "Zp"}:
        raise ValidationError("Enter the name on one line, without control characters.")
    if not is_visible(value):
        raise ValidationError("Enter a name with visible characters.")


def validate_address(value: str) -> None:
    """Refuse addresses that no mail server delivers to, or that look like another address.

    Django's validation also accepts the dotless i, the long s and the sign for kelvin before the @,
    and invisible characters after it. In quotes, it accepts control characters before the @, some
    of which would end the line in an e-mail header.
    """
    local, _, domain = value.rpartition("@")
    kinds = {unicodedata.category(character)[0] for character in domain}
    plain = local.isascii() and local.isprintable()
    if not plain or len(local) > _LONGEST_LOCAL_PART or kinds & {"C", "Z"}:
        raise ValidationError(
            "Enter an address with at most 64 ASCII characters before the @ and no invisible "
            "characters."
        )


class MaximumLengthValidator:
    """Refuses very long passwords, because hashing them would waste time."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > _LONGEST_PASSWORD:
            raise ValidationError(self.get_help_text())

    def get_help_text(self) -> str:
        return f"Your password can have at most {_LONGEST_PASSWORD} characters."
