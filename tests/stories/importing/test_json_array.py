"""Reading the items of a valid or a malformed JSON array."""

import io
import json

import pytest

from stories.importing import json_array
from stories.importing.file_rows import FileRow
from stories.importing.json_array import read_array


def rows_of(data: bytes | str) -> list[FileRow]:
    raw = data.encode() if isinstance(data, str) else data
    return list(read_array(io.BufferedReader(io.BytesIO(raw))))


def values(data: bytes | str) -> list[object]:
    return [row.value for row in rows_of(data) if not row.problem]


def problems(data: bytes | str) -> list[str]:
    return [f"{row.where} {row.problem}" for row in rows_of(data) if row.problem]


ITEMS = [
    {"id": number, "t": 'brackets ]}[{ and \\ " quotes', "l": [1, [2]]} for number in (1, 2, 3)
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ITEMS),
        json.dumps(ITEMS, separators=(",", ":")),
        json.dumps(ITEMS, indent=2),
        json.dumps(ITEMS, indent=0),
        "\ufeff" + json.dumps(ITEMS),
        " \n" + json.dumps(ITEMS).replace("}, {", "},\r\n{") + "\n\n",
    ],
)
def test_items_are_read_in_order(text: str) -> None:
    assert values(text) == ITEMS
    assert problems(text) == []


def test_empty_array_has_no_items() -> None:
    assert rows_of("[ ]\n") == []


def test_items_may_be_larger_than_one_read() -> None:
    items = [{"id": number, "t": "é" * 200_000} for number in range(5)]
    assert values(json.dumps(items, ensure_ascii=False)) == items


def test_unclosed_array_is_reported_after_its_items() -> None:
    text = json.dumps(ITEMS)[:-1]
    assert values(text) == ITEMS
    assert "item 4 the array has no closing" in problems(text)[0]


@pytest.mark.parametrize(
    "broken",
    ['{"id": 9, "t": }', '{"id": 9,, "l": [{"a": 1}, {"b": 2}]}', "nonsense", '{"id": NaN}'],
)
def test_broken_item_loses_no_other(broken: str) -> None:
    first, *rest = (json.dumps(item) for item in ITEMS)
    text = f"[{', '.join([first, broken, *rest])}]"
    assert values(text) == ITEMS
    assert [problem[:6] for problem in problems(text)] == ["item 2"]


@pytest.mark.parametrize("broken", ['{"id": 9, "t": "half', '{"id": 9, "t": [1', '"'])
def test_truncated_item_loses_no_other(broken: str) -> None:
    first, *rest = (json.dumps(item) for item in ITEMS)
    text = "[" + ",\n".join([first, broken, *rest]) + "]"
    assert values(text) == ITEMS
    assert [problem[:6] for problem in problems(text)] == ["item 2"]


def test_invalid_utf8_spoils_only_its_item() -> None:
    data = b'[{"id": 1}, {"id": "\xff"}, {"id": 3}]'
    assert values(data) == [{"id": 1}, {"id": 3}]
    assert "is not UTF-8" in problems(data)[0]


@pytest.mark.parametrize("size", [20_010, 40_000, 60_001])
def test_item_beyond_the_limit_is_skipped(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "LONGEST", 20_000)
    long = '{"id": 2, "t": "' + '\\"' * (size // 2) + '"}'
    text = f'[{{"id": 1}}, {long}, {{"id": 3}}]'
    assert values(text) == [{"id": 1}, {"id": 3}]
    assert "is longer than 5 MB" in problems(text)[0]
    assert len(problems(text)) == 1
