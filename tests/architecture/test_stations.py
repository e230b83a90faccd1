"""The allowed imports of each station of `cdc` and of the rest of the project."""

from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from cdc import api
from tests.architecture.source import IMPORTS, TREES, inside, members, name_of, reached, sources
from tests.support.paths import ROOT

# Maps each station to the stations that it may import. A station must not import a station on a
# later line.
ALLOWED = {
    "ground": "",
    "wire": "ground",
    "registry": "ground wire",
    "runtime": "ground",
    "outbox": "ground wire runtime",
    "capture": "ground wire registry runtime outbox",
    "kafka": "ground wire runtime",
    "mongo": "ground wire runtime",
    "consumer": "ground wire registry runtime outbox mongo",
    "dead_letters": "ground wire registry runtime capture mongo",
    "resync": "ground wire registry runtime outbox capture kafka mongo",
    "read_your_writes": "ground wire registry runtime outbox capture mongo resync",
    "canary": "ground registry runtime capture read_your_writes",
    "jobs": "ground runtime resync",
    "status": "ground wire registry runtime outbox capture kafka mongo consumer resync"
    " read_your_writes canary",
    "feed": "ground wire registry runtime kafka mongo",
    "doctor": "ground registry runtime outbox kafka mongo",
    "daemons": "ground registry runtime outbox capture kafka mongo consumer dead_letters canary"
    " jobs doctor",
    "testing": "ground wire registry runtime outbox capture mongo consumer dead_letters",
}
# The modules of `cdc` that every station may import.
GROUND = (
    *("audience", "conf", "context", "errors", "fields", "models", "operator_log", "printable"),
    *("progress", "refusals"),
)
# The registry and the modules that only the registry imports.
REGISTRY = ("registry", "field_columns", "declarations")
# Modules that connect the stations: modules that Django loads by name, and entry points.
EDGES = (
    "admin",
    "admin_readers",
    "api",
    "apps",
    "checks",
    "commands",
    "management",
    "middleware",
    "operations",
    "pages",
    "reports",
    "schema_check",
)

# The only modules of `cdc` that `project`, `stories` and `users` may import.
PUBLIC = (
    "cdc.api",
    "cdc.commands",
    "cdc.operations",
    *("cdc.feed.detached", "cdc.feed.views"),
    *("cdc.conf", "cdc.errors", "cdc.fields"),
    *("cdc.admin", "cdc.admin_readers", "cdc.apps", "cdc.middleware", "cdc.models"),
    *("cdc.pages", "cdc.refusals", "cdc.reports"),
)
MOST_NAMES_OF_THE_FACE = 10
MOST_MODULES = 15

# Maps each client library to the only station that may import it.
OWNERS = {"confluent_kafka": "cdc.kafka", "pymongo": "cdc.mongo", "bson": "cdc.mongo"}
# Maps each package to the modules that it must not import, directly or indirectly.
NEVER = {
    "cdc": ("stories", "users", "project"),
    "users": ("project", "stories"),
    "cdc.wire": ("django", "cdc.models", "cdc.registry"),
    "cdc.kafka": ("cdc.feed",),
    "cdc.outbox": ("cdc.mongo", "cdc.kafka", "cdc.dead_letters"),
    "cdc.capture": ("cdc.mongo", "cdc.kafka"),
    "cdc.mongo.plan": ("django", "pymongo", "cdc.models"),
    "cdc.runtime.clock": ("django", "cdc.models"),
    "cdc.runtime.retry": ("django", "cdc.models"),
    "cdc.runtime.stop": ("django", "cdc.models"),
    "cdc.status.verdict": ("cdc.mongo", "cdc.kafka"),
    "cdc.feed.hub": ("cdc.mongo", "cdc.kafka", "cdc.models"),
    "project.stack": ("django", "cdc", "stories", "users"),
}


def station(module: str) -> str:
    """Return the station of a module of `cdc`, or an empty string for a module in EDGES."""
    _, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    if first in EDGES:
        return ""
    if first in REGISTRY:
        return "registry"
    return "ground" if not first or first in GROUND else first


def imports_between_stations() -> Iterator[tuple[str, str, str]]:
    for name in members("cdc"):
        for other in IMPORTS[name]:
            ours, theirs = station(name), station(other)
            if inside(other, "cdc") and ours and ours != theirs:
                yield f"{name} imports {other}", ours, theirs


def test_each_station_imports_only_what_it_may() -> None:
    wrong = [
        text
        for text, ours, theirs in imports_between_stations()
        if theirs not in ALLOWED[ours].split()
    ]
    assert wrong == []


def test_no_import_points_upwards() -> None:
    order = list(ALLOWED)
    upwards = [
        text
        for text, ours, theirs in imports_between_stations()
        if theirs not in order or order.index(theirs) > order.index(ours)
    ]
    assert upwards == []


def test_the_table_allows_nothing_that_is_not_used() -> None:
    used = {(ours, theirs) for _, ours, theirs in imports_between_stations()}
    allowed = {(ours, theirs) for ours, row in ALLOWED.items() for theirs in row.split()}
    assert sorted(allowed - used) == []


def test_no_module_imports_in_a_circle() -> None:
    graph = {name: {other for other in IMPORTS[name] if other in TREES} for name in TREES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_the_rest_of_the_project_uses_the_public_face() -> None:
    private = [
        f"{name} imports {other}"
        for package in ("project", "stories", "users")
        for name in members(package)
        for other in IMPORTS[name]
        if inside(other, "cdc") and other != "cdc" and other not in PUBLIC
    ]
    assert private == []


def test_the_feed_names_no_product() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in (ROOT / "cdc").rglob("*")
        if path.suffix in {".py", ".js", ".css", ".html"}
        for word in ("storyfeed", "stories")
        if word in path.read_text().lower()
    ]
    assert found == []


def test_the_public_face_is_small() -> None:
    assert len(api.__all__) <= MOST_NAMES_OF_THE_FACE
    assert sorted(api.__all__) == sorted(set(api.__all__))


def test_a_folder_holds_few_modules() -> None:
    folders = Counter(path.parent for path in sources() if path.name != "__init__.py")
    crowded = {
        str(folder): number
        for folder, number in folders.items()
        if number > MOST_MODULES and name_of(folder / "__init__.py") != "cdc"
    }
    assert crowded == {}


@pytest.mark.parametrize("library", OWNERS)
def test_a_client_library_has_one_importer(library: str) -> None:
    importers = [
        name
        for name in members("cdc")
        if any(inside(other, library) for other in IMPORTS[name])
        and not inside(name, OWNERS[library])
    ]
    assert importers == []
    assert any(inside(other, library) for name in TREES for other in IMPORTS[name])


@pytest.mark.parametrize("package", NEVER)
def test_what_must_stay_apart_does(package: str) -> None:
    found = [
        f"{name} reaches {other}"
        for name in members(package)
        for other in reached(name)
        if any(inside(other, forbidden) for forbidden in NEVER[package])
    ]
    assert found == []
