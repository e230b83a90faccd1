"""Consumers on one machine have different instance names, and keep them after a restart."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdc.consumer import instance
from cdc.consumer.instance import instance_name
from cdc.errors import Misconfigured
from tests.support.feed_settings import without_servers


def test_each_consumer_gets_the_lowest_free_number(tmp_path: Path) -> None:
    settings = without_servers(home=tmp_path)
    with instance_name(settings) as first, instance_name(settings) as second:
        assert first.endswith("-1")
        assert second.endswith("-2")
    with instance_name(settings) as again:
        assert again == first


def test_two_homes_on_one_machine_have_different_names(tmp_path: Path) -> None:
    with (
        instance_name(without_servers(home=tmp_path / "a")) as one,
        instance_name(without_servers(home=tmp_path / "b")) as other,
    ):
        assert one != other


def test_without_a_writable_home_the_process_id_is_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("os.getpid", lambda: 4711)
    with instance_name(without_servers(home=tmp_path / "file")) as name:
        assert name.endswith("-p4711")


def test_a_given_name_is_used_once_on_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "_PATIENCE_SECONDS", 0.2)
    settings = without_servers(home=tmp_path)
    with instance_name(settings, "a/b c") as name, instance_name(settings, "another"):
        assert name == "a/b c"
        message = "already uses the instance name 'a/b c'"
        with pytest.raises(Misconfigured, match=message), instance_name(settings, "a/b c"):
            pass
    with instance_name(settings, "a/b c") as again:
        assert again == name


def test_a_given_name_needs_no_writable_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with instance_name(without_servers(home=tmp_path / "file"), "one") as name:
        assert name == "one"


def test_a_home_that_does_not_exist_yet_is_created(tmp_path: Path) -> None:
    host = socket.gethostname()
    with instance_name(without_servers(home=tmp_path / "a" / "b")) as name:
        assert (name.startswith(f"{host}-"), name.endswith("-1")) == (True, True)
    named = without_servers(home=tmp_path / "c" / "d")
    with instance_name(named, "one"):
        assert [file.name[:6] for file in (tmp_path / "c" / "d" / "consumers").iterdir()] == [
            "named-"
        ]


def test_a_number_is_free_again_whichever_consumer_ends_first(tmp_path: Path) -> None:
    settings = without_servers(home=tmp_path)
    with instance_name(settings) as first, instance_name(settings) as second:
        pass
    with instance_name(settings) as again, instance_name(settings) as other:
        assert (again, other) == (first, second)


def test_a_given_name_is_waited_for_while_its_consumer_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "_PATIENCE_SECONDS", 60.0)
    settings, naps = without_servers(home=tmp_path), list[float]()
    stopping = instance_name(settings, "one")
    stopping.__enter__()

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            stopping.__exit__(None, None, None)

    # Threads of other tests may sleep, too.
    clock = SimpleNamespace(sleep=nap, monotonic=time.monotonic)
    monkeypatch.setattr(instance, "time", clock)
    with instance_name(settings, "one") as name:
        assert name == "one"
    assert len(naps) == 3
