"""Draw each curve in a file of results as SVG: `python -m tests.bench.charts FILE`.

Prints the lines that show the charts in docs/performance.md.
"""

import argparse
import sys
from pathlib import Path

from project.up.console import Console
from tests.bench.charts.curves import curves, file_name
from tests.bench.charts.drawing import svg
from tests.bench.results import read
from tests.support.paths import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.charts", description=__doc__)
    parser.add_argument("file", type=Path, help="a file written by tests.bench --json")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "docs" / "images",
        help="where the charts are written (default: docs/images)",
    )
    options = parser.parse_args()
    if not draw(options.file, options.folder):
        parser.error(f"{options.file} contains no curve: use --rates or --growth.")
    return 0


def draw(file: Path, folder: Path) -> int:
    """Write the charts into the folder, and return their number."""
    content, console = read(file), Console()
    console.show("\n".join([*content["about"], ""]))
    folder.mkdir(parents=True, exist_ok=True)
    found = curves(content["measured"])
    for curve in found:
        name = file_name(curve.title)
        (folder / name).write_text(svg(curve))
        console.show(f"![{curve.title}](images/{name})")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
