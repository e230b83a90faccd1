"""Files that hold what is expected; STORYFEED_WRITE_GOLDEN=1 writes them anew."""

import json
import os
from pathlib import Path
from typing import Any

_WRITE = bool(os.environ.get("STORYFEED_WRITE_GOLDEN"))


def matches(file: Path, found: Any) -> bool:
    """Compare with a JSON file, whose difference git then shows when it is written anew."""
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if _WRITE:
        file.write_text(text)
    return file.read_text() == text
