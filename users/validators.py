"""Validation of a user's name."""

import unicodedata

from django.core.exceptions import ValidationError


def validate_name(value: str) -> None:
    """Refuse control characters, line breaks and invisible names."""
    kinds = {unicodedata.category(character) for character in value}
    if kinds & {"Cc", "Cs", "Zl", "Zp"}:
        raise ValidationError("Enter the name on one line, without control characters.")
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise ValidationError("Enter a name with visible characters.")
