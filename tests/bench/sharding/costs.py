"""What each step costs: durations measured by `--measure`, as a function of the number of rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

MEASURED = Path(__file__).with_name("measured.json")
"""The measured costs, which are the default. No other file contains their values."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost that grows with the number of rows: a straight line."""

    fixed: float
    row: float

    def of(self, rows: float) -> float:
        return self.fixed + self.row * rows

    @classmethod
    def fitted(cls, samples: Mapping[int, float]) -> Self:
        """Return the line that minimizes the squares of the relative errors; it never falls.

        `samples` maps numbers of rows to measured values. With absolute errors, the largest number
        of rows would determine the line.
        """
        points = [(rows, value, 1 / value**2) for rows, value in samples.items() if value > 0]
        if not points:
            return cls(0.0, 0.0)
        total = sum(weight for *_, weight in points)
        mean_rows = sum(rows * weight for rows, _, weight in points) / total
        mean = sum(value * weight for _, value, weight in points) / total
        spread = sum(weight * (rows - mean_rows) ** 2 for rows, _, weight in points)
        joint = sum(weight * (rows - mean_rows) * (value - mean) for rows, value, weight in points)
        row = max(joint / spread, 0.0) if spread else 0.0
        return cls(max(mean - row * mean_rows, 0.0), row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The costs of a batch: processor time in microseconds or, for the last two, round trips.

    The client's and the server's part of a step are separate, because servers are shared. The
    client's part includes the waits that the step cannot avoid, such as for a disk.
    """

    commit: Cost
    """For the database: to execute a transaction with this many captured changes. This cost is not
    simulated, but it shows how busy the writers alone keep the database."""
    read: Cost
    """For the relay: to read a batch, without the database's part."""
    read_database: Cost
    """For the database: to read a batch."""
    scan_database: Cost
    """For the database: to skip rows of other shards, if it has to read them."""
    produce: Cost
    """For the relay and Kafka: to write and acknowledge a batch."""
    delete_database: Cost
    """For the database: to delete published rows."""
    apply: Cost
    """For the consumer: to apply a batch in one transaction, without MongoDB's part."""
    apply_mongodb: Cost
    """For MongoDB: to apply a batch in one transaction."""
    read_statements: Cost
    """The number of statements with which the relay reads a batch."""
    apply_commands: Cost
    """The number of commands with which the consumer applies a batch."""


def read_costs(file: Path = MEASURED) -> Costs:
    """Return the costs in a file that `--measure` wrote."""
    found = json.loads(file.read_text())["costs"]
    return Costs(**{each.name: Cost(**found[each.name]) for each in fields(Costs)})


def write_costs(file: Path, costs: Costs, about: Sequence[str]) -> None:
    """Write costs to a file, with sentences about the measurement."""
    rounded = {
        name: {part: float(f"{value:.3g}") for part, value in cost.items()}
        for name, cost in asdict(costs).items()
    }
    content = {"about": list(about), "unit": "microseconds", "costs": rounded}
    file.write_text(json.dumps(content, indent=1) + "\n")


def seconds(microseconds: float) -> float:
    return microseconds / 1e6
