"""Each file that is made from the code, and what makes it."""

from pathlib import Path

from tests.docs.picture import architecture
from tests.docs.reference import reference

_DOCS = Path(__file__).resolve().parents[2] / "docs"

GENERATED = {
    _DOCS / "architecture.svg": architecture,
    _DOCS / "reference.md": reference,
}
