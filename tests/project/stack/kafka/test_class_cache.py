"""The class cache: written once by a training run, then used by each start of Kafka."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.kafka import training
from project.stack.kafka.broker import Kafka
from project.stack.kafka.class_cache import FILE, ClassCache
from project.stack.kafka.jars import Jars
from project.stack.ports import free_port
from tests.support.commands import wait_until
from tests.support.servers import launched


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassCache:
    """Return an empty class cache. Kafka's jars are those of the real cache folder."""
    jars = Jars()
    jars.install()
    own = tmp_path / "cache" / "storyfeed"
    own.mkdir(parents=True)
    (own / jars.folder.name).symlink_to(jars.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own.parent))
    return ClassCache()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    kafka = Kafka(tmp_path / "kafka", port := free_port(), free_port([port]))
    yield kafka
    kafka.kill()


def maps(kafka: Kafka) -> str:
    """Return the files that the broker has mapped into its memory."""
    return Path(f"/proc/{kafka.pid}/maps").read_text()


@pytest.mark.services
def test_a_broker_uses_the_cache_of_a_training_run(cache: ClassCache, kafka: Kafka) -> None:
    kafka.start()
    assert FILE not in maps(kafka)
    kafka.kill()

    training.train()
    with launched([kafka]):
        assert str(cache.folder / FILE) in maps(kafka)
    assert [file.name for file in cache.folder.iterdir()] == [FILE]


@pytest.mark.services
def test_a_damaged_cache_does_not_prevent_a_start(cache: ClassCache, kafka: Kafka) -> None:
    cache.folder.mkdir()
    (cache.folder / FILE).write_bytes(b"damaged")
    kafka.start()
    wait_until(kafka.answers, "the broker's answer")


@pytest.mark.usefixtures("own_cache")
def test_the_cache_is_written_once() -> None:
    calls: list[Path] = []
    for _ in range(2):
        ClassCache().build(calls.append)
    assert len(calls) == 1


@pytest.mark.usefixtures("own_cache")
def test_other_java_options_need_another_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ClassCache()
    monkeypatch.setattr("project.stack.kafka.class_cache.JVM_OPTIONS", ("-Xmx1g",))
    assert ClassCache().folder != cache.folder


@pytest.mark.usefixtures("own_cache")
def test_a_missing_cache_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one cause: Java ends normally, but writes no file."""
    monkeypatch.setattr(Kafka, "start", lambda kafka: kafka.folder.mkdir())
    with pytest.raises(StackError, match="wrote no class cache"):
        training.train()
    assert not ClassCache().folder.exists()
