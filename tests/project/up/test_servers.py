"""The servers that `up` starts, and the variables that it writes to the env file."""

import socket
from pathlib import Path

import pytest

from project.config.envfile import read_env_file, write_env_file
from project.stack.ports import free_port
from project.up.home_folder import HomeFolder
from project.up.servers import EmbeddedServers


@pytest.fixture
def home(tmp_path: Path) -> HomeFolder:
    return HomeFolder(tmp_path)


def test_both_servers_have_distinct_remembered_ports(home: HomeFolder) -> None:
    first, second = EmbeddedServers(home, {}), EmbeddedServers(home, {})
    assert [server.name for server in first.services] == ["kafka", "mongod"]
    assert first.kafka
    assert first.mongod
    ports = {first.kafka.port, first.kafka.controller_port, first.mongod.port}
    assert len(ports) == 3
    assert [server.port for server in second.services] == [server.port for server in first.services]


def test_the_env_file_has_the_addresses_and_a_key(home: HomeFolder) -> None:
    servers = EmbeddedServers(home, {})
    remembered = read_env_file(home.env_file)
    assert servers.kafka
    assert servers.mongod
    assert remembered["KAFKA_BOOTSTRAP_SERVERS"] == servers.kafka.address
    assert remembered["MONGODB_URI"] == servers.mongod.uri
    assert len(remembered["DJANGO_SECRET_KEY"]) >= 50


def test_the_key_is_generated_once(home: HomeFolder) -> None:
    EmbeddedServers(home, {})
    key = read_env_file(home.env_file)["DJANGO_SECRET_KEY"]
    EmbeddedServers(home, {})
    assert read_env_file(home.env_file)["DJANGO_SECRET_KEY"] == key


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_server_that_is_given_is_not_started(home: HomeFolder, suffix: str) -> None:
    real = {f"KAFKA_BOOTSTRAP_SERVERS{suffix}": "k:9092", f"DJANGO_SECRET_KEY{suffix}": "x"}
    servers = EmbeddedServers(home, real)
    assert [server.name for server in servers.services] == ["mongod"]
    assert set(read_env_file(home.env_file)) == {"MONGODB_URI"}


def test_a_remembered_port_in_use_is_replaced(home: HomeFolder) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        write_env_file(home.env_file, {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"})
        servers = EmbeddedServers(home, {})
    assert servers.kafka
    assert servers.kafka.port != port


def test_an_invalid_address_is_replaced(home: HomeFolder) -> None:
    write_env_file(home.env_file, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:many", "OTHER": "kept"})
    assert EmbeddedServers(home, {}).kafka
    assert read_env_file(home.env_file)["OTHER"] == "kept"


def test_their_logs_are_in_the_home(home: HomeFolder) -> None:
    assert {server.child.log.parent for server in EmbeddedServers(home, {}).services} == {home.logs}


def test_a_kafka_that_is_given_needs_no_class_cache(
    home: HomeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr("project.up.servers.train", lambda: trained.append("kafka"))
    EmbeddedServers(home, {"KAFKA_BOOTSTRAP_SERVERS": "k:9092"}).write_class_cache()
    assert trained == []
    EmbeddedServers(home, {}).write_class_cache()
    assert trained == ["kafka"]
