"""Golden files. With STORYFEED_WRITE_GOLDEN=1, they are overwritten with the current results."""

import json
import os
from pathlib import Path
from typing import Any

_WRITE = bool(os.environ.get("STORYFEED_WRITE_GOLDEN"))


def matches(file: Path, found: Any) -> bool:
    """Return whether `found` equals the content of a JSON file."""
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if _WRITE:
        file.write_text(text)
    return file.read_text() == text
