"""The examination of the settings."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.checks import Error, Warning, registry  # noqa: A004 -- Django's name

from cdc.doctor.check import Level
from cdc.doctor.settings import check_settings, require_valid_clients
from cdc.errors import Misconfigured
from cdc.runtime import tracing
from tests.support.feed_settings import without_servers

SETTINGS = without_servers(
    bootstrap_servers="127.0.0.1:9", mongodb_uri="mongodb://127.0.0.1:9/?replicaSet=rs0"
)


def levels(home: Path) -> dict[str, Level]:
    return {check.id: check.level for check in check_settings(replace(SETTINGS, home=home))}


def test_clients_need_no_servers_to_accept_their_settings(tmp_path: Path) -> None:
    found = levels(tmp_path)
    assert (found["settings.clients"], found["settings.disk"]) == (Level.OK, Level.OK)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:p/w@h/",
        "mongodb://u:p?w@h/",
        "mongodb://h/?tls=true&tlsCAFile=/missing.pem",
        "mongodb://h/?tsl=true",
        "mongodb://h/?authMechanism=nonsense",
        "mongodb://h/?replicaSet=a&directConnection=true&loadBalanced=true",
        "mongodb://h:port/",
        "http://h",
    ],
)
def test_a_setting_that_mongodb_s_client_refuses_is_refused(uri: str) -> None:
    with pytest.raises(Misconfigured, match="MONGODB_URI is not valid"):
        require_valid_clients(replace(SETTINGS, mongodb_uri=uri))


def test_settings_that_only_a_consumer_refuses_are_refused() -> None:
    config = {"session.timeout.ms": "9000", "max.poll.interval.ms": "6000"}
    with pytest.raises(Misconfigured, match=r"max\.poll\.interval\.ms"):
        require_valid_clients(replace(SETTINGS, kafka_config=config))


def test_django_s_checks_are_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(**_: object) -> list[Error | Warning]:
        return [Error("No.", hint="Yes.", id="shop.E1"), Warning("Hm.", id="shop.W1")]

    monkeypatch.setattr(registry.registry, "run_checks", found)
    monkeypatch.setattr("django.core.checks.run_checks", found)
    found_levels = levels(tmp_path)
    assert (found_levels["settings.shop.E1"], found_levels["settings.shop.W1"]) == (
        Level.WRONG,
        Level.WARNING,
    )


def test_an_exporter_without_opentelemetry_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    assert "settings.traces" not in levels(tmp_path)
    monkeypatch.setattr(tracing, "INSTALLED", False)
    assert levels(tmp_path)["settings.traces"] is Level.WARNING


@pytest.mark.parametrize(
    ("free", "level"), [(0, Level.WRONG), (50_000_000, Level.WARNING), (10**10, Level.OK)]
)
def test_a_disk_without_space_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert levels(tmp_path)["settings.disk"] is level
