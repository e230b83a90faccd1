"""Invented rows in the format of the Digg data set."""

import json
import random
from pathlib import Path
from typing import Any


def row(number: int | str = 1, **changes: Any) -> dict[str, Any]:
    """Return a row in Extended JSON, as `mongoexport` writes it. A value of `...` removes a key."""
    default = {
        "_id": {"$oid": f"{int(number):024x}"},
        "id": str(number),
        "href": f"http://stories.example/{number}",
        "title": f"Story {number} — “quoted”",
        "comments": {"$numberInt": "3"},
        "diggs": {"$numberInt": "40"},
        "container": {"name": "World", "short_name": "world"},
        "topic": {"name": "Trains", "short_name": "trains"},
        "submit_date": {"$numberInt": "1268771801"},
        "promote_date": {"$numberInt": "1268915964"},
        "media": "news",
        "description": "A line.",
        "link": f"http://paper.example/{number}?a=b",
        "user": {"name": "ann", "registered": {"$numberInt": "1141570067"}},
        "status": "popular",
        "shorturl": [{"short_url": "http://s.example/x", "view_count": {"$numberInt": "5"}}],
        "thumbnail": {"src": "http://t.example/t.jpg", "width": {"$numberInt": "80"}},
    }
    return {key: value for key, value in {**default, **changes}.items() if value is not ...}


def digg_like(count: int = 800, distinct: int = 505) -> list[dict[str, Any]]:
    """Return `count` rows of `distinct` stories, repeated rows last. Ids are text or numbers."""
    rng = random.Random(7)
    numbers = [*range(1, distinct + 1), *rng.choices(range(1, distinct + 1), k=count - distinct)]
    rows = []
    for place, number in enumerate(numbers):
        identity = {"$numberInt": str(number)} if rng.random() < 0.16 else str(number)
        diggs = {"$numberInt": str(40 if place % 3 else 40 + place)}
        changes: dict[str, Any] = {"id": identity, "diggs": diggs}
        if rng.random() < 0.4:
            changes["thumbnail"] = ...
        rows.append(row(number, **changes))
    return rows


def write_lines(path: Path, *lines: Any) -> str:
    """Write a line for each argument: bytes unchanged, others as JSON. Return the path."""
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(encoded) + b"\n")
    return str(path)
