"""Captured tables are compared with the committed JSON Schemas."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.test.utils import isolate_apps

from cdc import schema_check
from cdc.capture.model import CapturedModel
from cdc.conf import cdc_settings
from cdc.errors import Misconfigured
from cdc.management.commands import event_schema
from cdc.registry import Capture, Registry, registry
from cdc.schema_check import check_schemas
from stories.models import Story
from tests.support.paths import ROOT

Fields = Mapping[str, models.Field[Any, Any]]
FILE = "thing-event.schema.json"


@dataclass(frozen=True)
class Project:
    """A project with one captured model and an empty folder of schemas."""

    folder: Path
    registry: Registry

    @property
    def file(self) -> Path:
        return self.folder / FILE

    def declare(self, fields: Fields, table: str = "things") -> None:
        """Create a model Thing with these fields, and make it the only captured model."""
        with isolate_apps("tests.support.toy"):
            meta = type("Meta", (CapturedModel.Meta,), {"app_label": "toy", "db_table": table})
            members = {**fields, "__module__": __name__, "Meta": meta}
            model = type("Thing", (CapturedModel,), members)
        self.registry._by_model.clear()
        self.capture(model)

    def capture(self, model: type[models.Model], name: str = "") -> None:
        found = Capture(model=model, topic="t", collections=("things",), schema_name=name)
        self.registry.register(found)

    def commit(self, fields: Fields) -> None:
        self.declare(fields)
        call_command("event_schema", write=True)
        assert check_schemas() == []


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Project:
    own = Registry()
    monkeypatch.setattr(schema_check, "registry", own)
    monkeypatch.setattr(event_schema, "registry", own)
    settings.CDC = replace(cdc_settings(), schema_dir=tmp_path)
    return Project(tmp_path, own)


def ids() -> list[str | None]:
    found = check_schemas()
    assert all(FILE in message.msg for message in found)
    assert all("event_schema --write" in str(message.hint) for message in found)
    return [message.id for message in found]


def test_the_committed_schema_of_the_project_is_current(settings: Any, monkeypatch: Any) -> None:
    own, stories = Registry(), registry.find(Story)
    assert stories is not None
    own.register(stories)
    monkeypatch.setattr(schema_check, "registry", own)
    settings.CDC = replace(cdc_settings(), schema_dir=ROOT / "docs" / "schema")

    assert schema_check.file_name(stories) == "story-event.schema.json"
    assert check_schemas() == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": models.IntegerField()}, {}, ["cdc.E017"]),
        ({"a": models.IntegerField()}, {"b": models.IntegerField()}, ["cdc.E017"]),
        (
            {"a": models.IntegerField()},
            {"a": models.IntegerField(db_column="b")},
            ["cdc.E017"],
        ),
        (
            {"a": models.IntegerField(), "b": models.TextField()},
            {"a": models.TextField()},
            ["cdc.E018", "cdc.E017"],
        ),
        ({"a": models.TextField()}, {"a": models.TextField(null=True)}, ["cdc.E019"]),
        ({"a": models.DateField()}, {"a": models.DateField(null=True)}, ["cdc.E019"]),
        (
            {"a": models.IntegerField()},
            {"a": models.TextField(null=True)},
            ["cdc.E018"],
        ),
        (
            {},
            {"code": models.CharField(max_length=9, primary_key=True)},
            ["cdc.E020", "cdc.E017"],
        ),
        ({}, {"id": models.CharField(max_length=9, primary_key=True)}, ["cdc.E020"]),
        (
            {"id": models.CharField(max_length=36, primary_key=True)},
            {"id": models.UUIDField(primary_key=True)},
            ["cdc.E020"],
        ),
        # Readers of the old schema can read the events of these changes.
        ({}, {"a": models.IntegerField()}, ["cdc.W012"]),
        ({}, {"a": models.IntegerField(null=True)}, ["cdc.W012"]),
        ({"a": models.TextField(null=True)}, {"a": models.TextField()}, ["cdc.W012"]),
        ({"a": models.JSONField()}, {"a": models.JSONField(null=True)}, ["cdc.W012"]),
        ({"a": models.TextField()}, {"a": models.CharField(max_length=5)}, []),
        ({"a": models.IntegerField()}, {"a": models.BigIntegerField()}, []),
    ],
)
def test_a_change_is_compared_with_the_committed_schema(
    project: Project, before: Fields, after: Fields, found: list[str]
) -> None:
    project.commit(before)
    project.declare(after)

    assert ids() == found

    call_command("event_schema", write=True)
    assert check_schemas() == []


TYPES: dict[str, Callable[[], models.Field[Any, Any]]] = {
    "boolean": models.BooleanField,
    "date": models.DateField,
    "date-time": models.DateTimeField,
    "integer": models.IntegerField,
    "json": models.JSONField,
    "number": models.FloatField,
    "text": models.TextField,
    "uuid": models.UUIDField,
}
NARROWER = {("number", "integer"), ("text", "date"), ("text", "date-time"), ("text", "uuid")}


@pytest.mark.parametrize("after", TYPES)
@pytest.mark.parametrize("before", TYPES)
def test_the_values_of_the_new_type_must_be_of_the_old_one(
    project: Project, before: str, after: str
) -> None:
    project.commit({"a": TYPES[before]()})
    project.declare({"a": TYPES[after]()})

    readable = before == "json" or (before, after) in NARROWER
    assert ids() == ([] if before == after else ["cdc.W012"] if readable else ["cdc.E018"])


def of_older_version(schema: dict[str, Any]) -> None:
    schema["allOf"][1]["then"]["properties"]["before"] = {"$ref": "#/$defs/row"}


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (of_older_version, "cdc.E022"),
        (lambda schema: schema.pop("allOf"), "cdc.E022"),
        (lambda schema: schema["properties"]["before"]["anyOf"].pop(1), "cdc.E022"),
        (lambda schema: schema["properties"]["op"]["enum"].pop(), "cdc.E022"),
        (lambda schema: schema["properties"].update(more={}), "cdc.E022"),
        (lambda schema: schema.update(properties=[]), "cdc.E022"),
        (
            lambda schema: schema["properties"]["source"]["properties"]["name"].update(const="x"),
            "cdc.E022",
        ),
        (lambda schema: schema.update(title="Things"), "cdc.W012"),
        (lambda schema: schema.pop("$defs"), "cdc.E023"),
        (lambda schema: schema["$defs"].pop("key"), "cdc.E023"),
        (lambda schema: schema["$defs"].update(row=[1]), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"].update(properties=["a"]), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"].update(required="a"), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"].update(required=[[], {}]), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"].pop("additionalProperties"), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"]["properties"].update(a=None), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"]["properties"].update(a={"type": []}), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"]["properties"].update(a={"not": {}}), "cdc.E023"),
        (lambda schema: schema["$defs"]["row"]["properties"].update(a={"anyOf": 1}), "cdc.E023"),
        (lambda schema: schema["$defs"]["key"].update(properties={}, required=[]), "cdc.E023"),
    ],
)
def test_an_edited_or_older_file(
    project: Project, edit: Callable[[dict[str, Any]], Any], found: str
) -> None:
    project.commit({"a": models.TextField()})
    schema = json.loads(project.file.read_text())
    edit(schema)
    project.file.write_text(json.dumps(schema))

    assert ids() == [found]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[]", b"7", b'"a"', b"{}", b"\xff\xfe\x00", b"<<<<<<< HEAD\n{}"),
        b"[" * 100_000,
        b"9" * 10_000,
        b'{"$defs": {"row": 1, "key": []}}',
    ],
)
def test_a_file_that_is_no_schema(project: Project, content: bytes) -> None:
    project.declare({})
    project.file.write_bytes(content)

    assert ids() == ["cdc.E023"]


def test_a_file_that_cannot_be_opened(project: Project) -> None:
    project.declare({})
    project.file.mkdir()

    assert ids() == ["cdc.E023"]


def test_a_missing_file(project: Project, settings: Any) -> None:
    project.declare({})
    assert ids() == ["cdc.W011"]

    settings.CDC = replace(cdc_settings(), schema_dir=project.folder / "missing")
    assert ids() == ["cdc.W011"]

    settings.CDC = replace(cdc_settings(), schema_dir=None)
    assert ids() == []


def test_a_file_without_a_captured_model(project: Project) -> None:
    project.commit({})
    (capture,) = project.registry
    project.capture(capture.model, "renamed")

    assert [message.id for message in check_schemas()] == ["cdc.W011", "cdc.E025"]
    project.file.rename(project.folder / "renamed-event.schema.json")
    assert check_schemas() == []


def test_two_models_with_one_file(project: Project) -> None:
    project.declare({})
    project.capture(Story, "thing")

    assert [message.id for message in check_schemas()] == ["cdc.E024", "cdc.E024"]
    with pytest.raises(CommandError, match="Two captured models have the same schema_name"):
        call_command("event_schema", write=True)


@pytest.mark.parametrize("name", ["../thing", "a/b", "..", "a b"])
def test_the_name_of_a_schema_is_the_start_of_a_file_name(name: str) -> None:
    with pytest.raises(Misconfigured, match="Story has the schema_name"):
        Capture(model=Story, schema_name=name)


def test_the_table_is_compared(project: Project) -> None:
    project.commit({})
    project.declare({}, table="others")

    assert ids() == ["cdc.E021"]


def test_the_command_prints_what_it_would_write(project: Project, capsys: Any) -> None:
    project.declare({})
    call_command("event_schema")
    assert list(project.folder.iterdir()) == []
    printed = capsys.readouterr().out

    call_command("event_schema", write=True)
    assert [path.name for path in project.folder.iterdir()] == [FILE]
    assert project.file.read_text() == printed
    assert capsys.readouterr().out == f"{project.file}: written.\n"

    call_command("event_schema", write=True, table="things")
    assert capsys.readouterr().out == f"{project.file}: up to date.\n"


def test_the_command_agrees_with_the_published_schema(capsys: Any) -> None:
    call_command("event_schema", table="stories_story")
    published = ROOT / "docs" / "schema" / "story-event.schema.json"
    assert capsys.readouterr().out == published.read_text()


def test_the_command_refuses_wrong_use(project: Project, settings: Any) -> None:
    project.declare({})
    with pytest.raises(CommandError, match="use one of things") as raised:
        call_command("event_schema", table="other")
    assert raised.value.returncode == 2

    settings.CDC = replace(cdc_settings(), schema_dir=project.folder / "missing")
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("event_schema", write=True)

    (project.folder / "file").touch()
    settings.CDC = replace(cdc_settings(), schema_dir=project.folder / "file")
    with pytest.raises(CommandError, match="Not a directory"):
        call_command("event_schema", write=True)

    settings.CDC = replace(cdc_settings(), schema_dir=None)
    with pytest.raises(CommandError, match="CDC has no schema_dir") as raised:
        call_command("event_schema", write=True)
    assert raised.value.returncode == 2
