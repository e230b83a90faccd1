"""`$STORYFEED_HOME/env`: the variables that `up` chose, one NAME=value per line, mode 600."""

import os
from collections.abc import Mapping
from pathlib import Path

from cdc.errors import Misconfigured

_OWNER_ONLY = 0o600


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables in the file `path`; empty if the file does not exist."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The environment file {str(path)!r} cannot be read ({error}): "
            "correct the file, or delete it and run `manage.py up`."
        ) from None
    return dict(_pair(path, line) for line in lines if line.strip() and line[0] != "#")


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file `path` atomically. The new file has mode 600 from the start."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# Written by `manage.py up`. Environment variables take precedence.\n")
        file.writelines(f"{name}={value}\n" for name, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _pair(path: Path, line: str) -> tuple[str, str]:
    name, separator, value = line.partition("=")
    if not separator:
        raise Misconfigured(f"{str(path)!r} contains the line {line!r}: write NAME=value.")
    return name.strip(), value
