"""How to produce and end each condition of the table."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from cdc.status.findings import State
from tests.acceptance.verdict.contents import (
    dead_letter,
    difference,
    gap,
    lacking_column,
    lost_records,
    missing_documents,
    reused_ids,
    slow_search,
    superfluous_documents,
)
from tests.acceptance.verdict.processes import (
    failing_consumer,
    failing_only_consumer,
    failing_relay,
    former_outbox,
    in_transit,
    locked_outbox,
    nothing,
    paused,
    silent,
    slow_consumers,
    stopped,
    without_consumer,
    without_relay,
)
from tests.acceptance.verdict.product import Product

Produce = Callable[[Product], AbstractContextManager[object]]


CONDITIONS: Mapping[tuple[State, str], tuple[Produce, ...]] = {
    (State.HEALTHY, "no change is waiting"): (nothing,),
    (State.HEALTHY, "changes are in transit"): (in_transit,),
    (State.UNREACHABLE, "the database is down"): (
        partial(stopped, service="The database"),
        partial(silent, service="The database"),
    ),
    (State.UNREACHABLE, "Kafka is down"): (partial(silent, service="Kafka"),),
    (State.UNREACHABLE, "MongoDB is down"): (partial(stopped, service="MongoDB"),),
    (State.PAUSED, "an operator has paused the consumers"): (paused,),
    (State.DELAYED, "no relay is running"): (without_relay,),
    (State.DELAYED, "the relay keeps failing"): (failing_relay,),
    (State.DELAYED, "an open transaction locks rows of the outbox"): (locked_outbox,),
    (State.DELAYED, "changes wait in another database"): (former_outbox,),
    (State.DELAYED, "no consumer is running"): (without_consumer,),
    (State.DELAYED, "the consumers keep failing"): (failing_only_consumer,),
    (State.DELAYED, "the consumers are too slow"): (slow_consumers,),
    (State.FAILING, "one of several processes keeps failing"): (failing_consumer,),
    (State.RECORDS_LOST, "Kafka has lost records, and no consumer is running"): (lost_records,),
    (State.RECORDS_LOST, "a consumer has resumed after lost records"): (gap,),
    (State.NOT_VERIFIED, "outbox ids were reused"): (reused_ids,),
    (State.NOT_VERIFIED, "a search for a column took too long"): (slow_search,),
    (State.DEAD_LETTERS, "messages could not be applied"): (dead_letter,),
    (State.OUT_OF_SYNC, "the numbers differ"): (missing_documents, superfluous_documents),
    (State.OUT_OF_SYNC, "a reconciliation has found differences"): (difference,),
    (State.OUT_OF_SYNC, "documents lack a column of the model"): (lacking_column,),
}
"""How to produce each condition, by the state and the condition in the table."""
