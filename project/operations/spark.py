"""A sparkline: changes a second, in whole numbers, so that no locale can change them."""

from collections.abc import Sequence
from typing import Any

_HEIGHT = 40
_BAR = 4


def spark(rates: Sequence[float]) -> dict[str, Any]:
    """Return the bars of these rates, oldest first."""
    most = max(rates, default=0.0)
    heights = [round(rate * _HEIGHT / most) if most else 0 for rate in rates]
    return {
        "bars": [
            {"x": number * _BAR, "y": _HEIGHT - height, "height": height}
            for number, height in enumerate(heights)
        ],
        "width": max(len(heights), 1) * _BAR,
        "height": _HEIGHT,
        "bar": _BAR - 1,
        "now": rates[-1] if rates else 0.0,
        "most": most,
    }
