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
    content = read(options.file)
    found = curves(content["measured"])
    if not found:
        parser.error(f"{options.file} contains no curve: use --rates or --growth.")
    console = Console()
    console.show("\n".join([*content["about"], ""]))
    options.folder.mkdir(parents=True, exist_ok=True)
    for curve in found:
        name = file_name(curve.title)
        (options.folder / name).write_text(svg(curve))
        console.show(f"![{curve.title}](images/{name})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
