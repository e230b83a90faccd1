"""From a file of results to charts."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from project.up.console import Console
from tests.bench.charts.__main__ import draw
from tests.bench.charts.curves import curves, file_name
from tests.bench.charts.drawing import svg
from tests.bench.results import Results, read

TITLE = "p50 by changes per second, ms"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "results.json"
    found = Results(Console(), file, ["Options: --rates."])
    for rate, values in ((50, (4.0, 6.0)), (1_000, (8.0, 20.0))):
        for value in values:
            found.add("ours", f"{TITLE}: {rate:,}", value)
    found.add("peer", f"{TITLE}: 50", 5.0)
    found.add("ours", "delay: p50, ms", 4.0)
    found.add("ours", "a save by stories, ms: 1,000", 4.0)
    return file


def test_file_contains_each_value_at_once(file: Path) -> None:
    content = read(file)
    assert content["about"] == ["Options: --rates."]
    assert content["measured"][0] == {
        "what": f"{TITLE}: 50",
        "better": "lower",
        "values": {"ours": [4.0, 6.0], "peer": [5.0]},
    }


def test_only_tables_with_several_numbers_are_curves(file: Path) -> None:
    (curve,) = curves(read(file)["measured"])
    assert (curve.title, curve.steps) == (TITLE, (50, 1_000))
    assert curve.lines == {"ours": {50: [4.0, 6.0], 1_000: [8.0, 20.0]}, "peer": {50: [5.0]}}
    assert curve.summary == f"{TITLE}: ours 5 at 50, 14 at 1,000; peer 5 at 50"


def test_chart_has_medians_at_equal_distances_and_ranges(file: Path) -> None:
    (curve,) = curves(read(file)["measured"])
    root = ET.fromstring(svg(curve))  # noqa: S314 -- our own text
    (line, single) = root.iter(f"{SVG}polyline")
    # 0 ms is at y=290, and 20 ms is at y=50.
    assert line.get("points") == "190,230.0 430,122.0"
    assert single.get("points") == "190,230.0"
    ranges = [each for each in root.iter(f"{SVG}line") if "range" in (each.get("class") or "")]
    assert [(each.get("y1"), each.get("y2")) for each in ranges] == [
        ("242.0", "218.0"),
        ("194.0", "50.0"),
    ]


def test_command_writes_one_file_for_each_curve(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(file, tmp_path / "images")
    (made,) = (tmp_path / "images").iterdir()
    assert made.name == file_name(TITLE) == "performance-p50-by-changes-per-second-ms.svg"
    assert re.search(rf"!\[{re.escape(TITLE)}\]\(images/{made.name}\)", capsys.readouterr().out)
