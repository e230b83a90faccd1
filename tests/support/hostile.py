"""Hostile messages: seeded garbage, and valid envelopes with one or more errors."""

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

from cdc.wire.records import Outgoing
from tests.support.builders import change, outgoing

Mutation = Callable[[random.Random, dict[str, Any]], None]
_DEEP = re.compile(r'"deep:(\d+):(list|dict)"')
"""Matches the placeholder of a value that is nested more deeply than `json.dumps` allows."""


def hostile(count: int, seed: int, topic: str) -> Iterator[Outgoing]:
    """Yield `count` messages, which are the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        key = chance.randrange(1, 40)
        base = outgoing(change(chance.choice("ccuudr"), key, number + 1), topic)
        make = chance.choice(_MAKERS)
        key_bytes, value = make(chance, base)
        yield Outgoing(
            topic=topic,
            key=key_bytes,
            value=value,
            headers=(),
            timestamp_ms=base.timestamp_ms,
        )


def _garbage(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    return base.key, chance.randbytes(chance.choice([0, 1, 7, 300, 5000]))


def _broken(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    value = bytearray(base.value or b"")
    for _ in range(chance.choice([1, 2, 30])):
        at = chance.randrange(len(value))
        value[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return base.key, bytes(value)


def _cut(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    value = base.value or b""
    return base.key, value[: chance.randrange(len(value))]


def _other_json(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    return base.key, _dump(chance, _strange(chance))


def _odd_key(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    keys = (
        *(b"", b"17", b"null", b'"a"', b"[]", b"{}", b"\xff", b'{"id":true}', b'{"id":null}'),
        *(b'{"id":17.0}', b'{"id":"17"}', b'{"id":-1}', b'{"id":99999999999999999999}'),
        *(b'{"id":18446744073709551615}', b'{"id":[1]}', b'{"id":1,"a":2}', b'{"title":"a"}'),
        *(b'{"$where":1}', b'{"_id":1}', b'{"id\\u0000":1}', b"{" * 3000, b'{"id":"\\ud800"}'),
        b'{"id":1,"id":2}',
    )
    return chance.choice(keys), base.value or b""


def _delete_of(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    """Return a delete whose key and row agree. No row of the table can have this key."""
    name = chance.choice(["id", "title", "_id", "$id", "a.b", ""])
    value = chance.choice(["x", "", "a\x00b", -5, 2**63, 2**64 - 1, "y" * 100_000])
    envelope = json.loads(base.value or b"")
    envelope.update(op="d", before={name: value}, after=None)
    return json.dumps({name: value}).encode(), _dump(chance, envelope)


def _mutated(chance: random.Random, base: Outgoing) -> tuple[bytes, bytes]:
    envelope = json.loads(base.value or b"")
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        chance.choice(_MUTATIONS)(chance, envelope)
    return base.key, _dump(chance, envelope)


def _row(chance: random.Random, envelope: dict[str, Any]) -> dict[str, Any]:
    rows = [envelope[name] for name in ("before", "after") if isinstance(envelope[name], dict)]
    return chance.choice(rows) if rows else {}


def _column(chance: random.Random, envelope: dict[str, Any]) -> None:
    row = _row(chance, envelope)
    row[chance.choice(list(row) or ["id"])] = _strange(chance)


def _new_column(chance: random.Random, envelope: dict[str, Any]) -> None:
    _row(chance, envelope)[chance.choice(_NAMES)] = _strange(chance)


def _in_json(chance: random.Random, envelope: dict[str, Any]) -> None:
    column = chance.choice(["container", "topic", "user", "shorturl", "thumbnail"])
    _row(chance, envelope)[column] = {chance.choice(_NAMES): _strange(chance)}


def _lost_column(chance: random.Random, envelope: dict[str, Any]) -> None:
    row = _row(chance, envelope)
    row.pop(chance.choice(list(row) or ["id"]), None)


def _field(chance: random.Random, envelope: dict[str, Any]) -> None:
    envelope[chance.choice(list(envelope))] = _strange(chance)


def _lost_field(chance: random.Random, envelope: dict[str, Any]) -> None:
    envelope.pop(chance.choice(["op", "ts_ms", "source", "before", "after"]), None)
    envelope.setdefault("before", None)
    envelope.setdefault("after", None)


def _source(chance: random.Random, envelope: dict[str, Any]) -> None:
    if isinstance(envelope.get("source"), dict):
        envelope["source"][chance.choice(["table", "sequence", "db", "user"])] = _strange(chance)


def _sequence(chance: random.Random, envelope: dict[str, Any]) -> None:
    if isinstance(envelope.get("source"), dict):
        envelope["source"]["sequence"] = chance.choice(
            [
                *("", "[]", "[1,2]", '["1"]', '["1","2","3"]', '["-1","2"]', '["1","x"]', "{}"),
                *('["\u0661","2"]', '["1","9223372036854775808"]', '["0","0"]', "[" * 5000),
                *(
                    '["9223372036854775807","1"]',
                    '["1e3","2"]',
                    '[["1"],"2"]',
                    '["1 ","2"]',
                    '["00001","2"]',
                    "null",
                    "\x00",
                ),
            ]
        )


def _operation(chance: random.Random, envelope: dict[str, Any]) -> None:
    envelope["op"] = chance.choice(["x", "", "C", "cc", "t", "m", None, 1, [], {}, ["c"], True])


def _time(chance: random.Random, envelope: dict[str, Any]) -> None:
    envelope["ts_ms"] = chance.choice([-1, 2**63 - 1, 2**53, 253402300800000, 1.5, "1", True])
    _row(chance, envelope)["submit_date"] = chance.choice(
        [
            *("", "now", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"),
            *("2010-03-16", "2010-03-16T20:36:41", "10000-01-01T00:00:00Z", "2010-W01-1T00Z"),
            *("2010-03-16T24:00:00Z", 17, "2010-03-16T20:36:41+99:99", "\ud800"),
        ]
    )


def _deep(chance: random.Random, envelope: dict[str, Any]) -> None:
    depth = chance.choice([70, 90, 110, 190, 500, 1000, 20_000])
    row = _row(chance, envelope)
    targets = (row, row, envelope) if row else (envelope,)
    name = chance.choice(["user", "container", "new", "op"])
    chance.choice(targets)[name] = f"deep:{depth}:{chance.choice(['list', 'dict'])}"


def _large(chance: random.Random, envelope: dict[str, Any]) -> None:
    row = _row(chance, envelope)
    row[chance.choice(["title", "description", "new"])] = "☃" * chance.choice(
        [256, 70_000, 300_000]
    )
    row["shorturl"] = [0] * chance.choice([10, 10_000])


def _dump(chance: random.Random, value: Any) -> bytes:
    text = _DEEP.sub(_nested, json.dumps(value))
    if chance.random() < 0.1:
        text = text.replace('"op"', '"op": "c", "op"', 1)
    return text.encode()


def _nested(match: re.Match[str]) -> str:
    depth = int(match[1])
    opening, closing = ("[", "]") if match[2] == "list" else ('{"a":', "}")
    return f"{opening * depth}1{closing * depth}"


_NAMES = (
    *("$where", "$set", "_id", "_epoch", "_version", "a.b", "", "\x00", "a\x00b", "__proto__"),
    *("$", ".", "a.$.b", "\u202e", "k" * 5000, "id", "constructor"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1),
    *(10**40, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "\x00", "\ud800", "\udfff\ud800"),
    *("\u202e\u2066", "<script>alert(1)</script>", "x" * 10_000, "'; DROP TABLE x; --", "☃😀"),
    *([], {}, [[]], [None], {"$gt": ""}, {"$numberLong": "1"}, {"$oid": "x"}, {"\x00": 1}),
    *({"a\x00": {"b": 1}}, {"": {"": {"": None}}}, {"a.b": {"$c": 1}}, [2**63], {"n": 2**70}),
)


def _strange(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(_VALUES))


_MAKERS = (_garbage, _broken, _cut, _other_json, _odd_key, _delete_of, *[_mutated] * 8)
_MUTATIONS: tuple[Mutation, ...] = (
    *(_column, _column, _new_column, _in_json, _in_json, _lost_column, _field, _lost_field),
    *(_source, _sequence, _operation, _time, _deep, _large),
)
