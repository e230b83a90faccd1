"""What a person's name may hold."""

import unicodedata

from django.core.exceptions import ValidationError


def validate_name(value: str) -> None:
    """Refuse what would break a line, and a name that nobody could see."""
    kinds = {unicodedata.category(character) for character in value}
    if kinds & {"Cc", "Cs", "Zl", "Zp"}:
        raise ValidationError("Write the name on one line, without control characters.")
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise ValidationError("Enter a name that can be read.")
