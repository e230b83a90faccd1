"""Throughput, order and saturation in the simulation."""

from dataclasses import fields, replace
from itertools import pairwise

import pytest

from tests.bench.sharding.changes import changes
from tests.bench.sharding.cluster import Cluster, Load, Resharding
from tests.bench.sharding.costs import Cost, Costs
from tests.bench.sharding.simulation import CONSUMER, DATABASE, MONGODB, RELAY, Outcome, simulate
from tests.bench.sharding.topic import OrderBrokenError

pytestmark = pytest.mark.slow  # some seconds each

WAITING = Load(waiting=True, changes=50_000)
LATE = Load(rate=20_000, changes=10_000, keys=200, late_share=0.2, late_seconds=0.02)
"""Changes of few keys, many of which are committed after higher ids."""
CLUSTER = Cluster(round_trip=0.0005, database_cores=1, mongodb_cores=1)
NO_NETWORK = replace(CLUSTER, round_trip=0.0)


def costs(**given: Cost) -> Costs:
    """Return costs of zero, apart from the given ones."""
    return Costs(**{**{each.name: Cost(0, 0) for each in fields(Costs)}, **given})


FAST = costs(
    read=Cost(100, 5), read_database=Cost(50, 5), produce=Cost(500, 10), apply=Cost(500, 10)
)


def seconds(outcome: Outcome, load: Load) -> float:
    return load.changes / outcome.applied


def test_the_same_seed_gives_the_same_result() -> None:
    cluster = replace(CLUSTER, shards=3)
    first = simulate(LATE, cluster, FAST)
    assert simulate(LATE, cluster, FAST) == first
    assert simulate(replace(LATE, seed=2), cluster, FAST) != first


def test_one_relay_publishes_a_batch_per_cycle() -> None:
    given = costs(
        read=Cost(100, 5),
        read_database=Cost(200, 4),
        read_statements=Cost(4, 0),
        produce=Cost(900, 20),
    )
    # The read of 1,000 rows, and the statement that looks for gaps.
    read = (100 + 5 * 1_000) + (200 + 4 * 1_000) + 200
    produce = 900 + 20 * 1_000
    round_trips = 4 + 1 + CLUSTER.acknowledgement
    cycle = (read + produce) / 1e6 + round_trips * CLUSTER.round_trip
    outcome = simulate(WAITING, CLUSTER, given)
    assert outcome.published == pytest.approx(1_000 / cycle)
    assert outcome.saturated == RELAY
    assert outcome.used[RELAY] == pytest.approx(1.0, abs=0.01)


def test_one_consumer_applies_a_batch_per_transaction() -> None:
    given = costs(apply=Cost(1_000, 60), apply_mongodb=Cost(3_000, 30), apply_commands=Cost(6, 0))
    round_trips = 6 + CLUSTER.acknowledgement - 1
    transaction = (1_000 + 60_000 + 3_000 + 30_000) / 1e6 + round_trips * CLUSTER.round_trip
    outcome = simulate(WAITING, replace(CLUSTER, consumers=1), given)
    assert outcome.applied == pytest.approx(1_000 / transaction, rel=0.01)
    assert outcome.saturated == CONSUMER


def test_more_relays_publish_more_until_the_database_is_busy() -> None:
    # The database reads at most 100,000 rows per second, one relay publishes 20,000.
    given = costs(read_database=Cost(0, 10), produce=Cost(0, 40))
    load = replace(WAITING, changes=100_000)
    one, two, many = (
        simulate(load, replace(NO_NETWORK, shards=shards), given) for shards in (1, 2, 16)
    )
    assert one.published == pytest.approx(20_000)
    assert two.published == pytest.approx(40_000, rel=0.1)
    assert 80_000 < many.published <= 100_000
    assert (one.saturated, two.saturated, many.saturated) == (RELAY, RELAY, DATABASE)


def test_without_a_column_each_relay_reads_the_rows_of_all_shards() -> None:
    given = costs(read_database=Cost(0, 10), scan_database=Cost(0, 10), produce=Cost(0, 40))

    def database_seconds(*, column: bool) -> float:
        outcome = simulate(WAITING, replace(NO_NETWORK, shards=4, column=column), given)
        return outcome.used[DATABASE] * seconds(outcome, WAITING)

    assert database_seconds(column=True) == pytest.approx(WAITING.changes * 10e-6)
    assert database_seconds(column=False) == pytest.approx(4 * WAITING.changes * 10e-6, rel=0.15)


def test_mongodb_limits_all_consumers_together() -> None:
    outcome = simulate(WAITING, replace(CLUSTER, shards=8), costs(apply_mongodb=Cost(0, 20)))
    assert outcome.applied == pytest.approx(50_000, rel=0.1)
    assert outcome.saturated == MONGODB


def test_frequent_keys_overload_one_shard() -> None:
    given = costs(produce=Cost(0, 40))
    cluster = replace(NO_NETWORK, shards=8)
    uniform, skewed = (simulate(replace(WAITING, skew=skew), cluster, given) for skew in (0.0, 1.2))
    assert skewed.published < 0.8 * uniform.published


def test_delay_at_a_low_rate_is_one_cycle() -> None:
    load = Load(rate=100, changes=200, largest_commit=1, late_share=0.0)
    given = costs(produce=Cost(1_000, 0), apply=Cost(2_000, 0))
    outcome = simulate(load, NO_NETWORK, given)
    # 3 ms of work, and up to one pause of the relay before it.
    assert 3 <= outcome.milliseconds(50) < 3 + 16


def test_changes_of_a_key_are_committed_in_the_order_of_their_ids() -> None:
    found = changes(LATE, CLUSTER)
    assert [change.id for change in found] == list(range(1, LATE.changes + 1))
    last: dict[int, tuple[int, float]] = {}
    for change in found:
        number, committed = last.get(change.key, (-1, 0.0))
        assert (change.number, change.committed >= committed) == (number + 1, True)
        last[change.key] = (change.number, change.committed)


def test_some_transactions_commit_after_higher_ids() -> None:
    found = changes(LATE, CLUSTER)
    overtaken = [early for early, late in pairwise(found) if early.committed > late.committed]
    assert len(overtaken) > 100


@pytest.mark.parametrize("shards", [1, 2, 5, 16])
@pytest.mark.parametrize("column", [True, False])
def test_order_is_kept_with_late_commits(shards: int, column: bool) -> None:
    outcome = simulate(LATE, replace(CLUSTER, shards=shards, column=column), FAST)
    assert len(outcome.delays) == LATE.changes
    assert min(outcome.delays) > 0


def test_shards_that_split_a_key_break_the_order() -> None:
    def by_id(_key: int, outbox_id: int, shards: int) -> int:
        return outbox_id % shards

    with pytest.raises(OrderBrokenError, match=r"Change \d+ of key \d+ was published by shard"):
        simulate(LATE, replace(CLUSTER, shards=2), FAST, shard_in=by_id)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (4, 2)])
def test_number_of_shards_changes_in_order_after_a_barrier(before: int, after: int) -> None:
    # Twice as many changes arrive as one relay publishes, so that rows are waiting.
    load, slow = replace(LATE, rate=40_000 * before, keys=2_000), costs(produce=Cost(500, 50))
    cluster, change = replace(CLUSTER, shards=before), Resharding(at=0.05, shards=after)
    generations = {each.shard.generation for each in changes(load, cluster, change)}
    assert generations == {0, 1}
    assert len(simulate(load, cluster, slow, change).delays) == load.changes
    with pytest.raises(OrderBrokenError):
        simulate(load, cluster, slow, replace(change, barrier=False))
