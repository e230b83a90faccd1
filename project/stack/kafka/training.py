"""Writes the class cache of Kafka."""

import shutil
from pathlib import Path

from project.stack.errors import StackError
from project.stack.kafka.broker import Kafka
from project.stack.kafka.class_cache import FILE, ClassCache
from project.stack.ports import free_port

WRITE_SECONDS = 120.0


class _TrainingKafka(Kafka):
    """A broker that writes the classes it has loaded to `FILE` when it stops."""

    def _command(self) -> list[str]:
        program, *rest = super()._command()
        return [program, f"-XX:AOTCacheOutput={FILE}", *rest]


def train() -> None:
    """Write the class cache unless it exists: start a broker, and stop it when it responds.

    This takes about 8 s of processor time. Kafka must be installed. Raise StackError if the broker
    does not start or writes no cache.
    """
    ClassCache().build(_train)


def _train(folder: Path) -> None:
    broker = folder / "broker"
    kafka = _TrainingKafka(broker, port := free_port(), free_port([port]))
    try:
        kafka.start()
    finally:
        kafka.stop(WRITE_SECONDS)
    written = broker / FILE
    if not written.exists():
        raise StackError(
            f"Java wrote no class cache ({kafka.child.log_summary()}); "
            "check that the disk of the cache folder is not full."
        )
    written.rename(folder / FILE)
    shutil.rmtree(broker)
