"""The generated files of the documentation, and for each the function that returns its content.

Only a part of performance.md is generated.
"""

from tests.docs.load import performance_page
from tests.docs.picture import architecture
from tests.docs.reference import reference
from tests.docs.rules import rules_page
from tests.support.paths import ROOT

_DOCS = ROOT / "docs"

GENERATED = {
    _DOCS / "architecture.svg": architecture,
    _DOCS / "performance.md": performance_page,
    _DOCS / "reference.md": reference,
    _DOCS / "rules.md": rules_page,
}
