"""The conditions that concern the contents of Kafka, the outbox and the collections."""

from collections.abc import Iterator
from contextlib import contextmanager

from cdc.models import DeadLetter, Job, JobState, OutboxRecord
from stories.models import Story
from tests.acceptance.test_dead_letters import poison, publish
from tests.acceptance.test_gaps import bounds, delete_records
from tests.acceptance.test_reconcile import reconcile
from tests.acceptance.verdict.processes import another, without_consumer
from tests.acceptance.verdict.product import Product
from tests.support.commands import manage_patiently, wait_until
from tests.support.outbox_ids import truncate

DISCARD = ("dead_letters", "discard", "--waiting", "--why", "a test")
_SLOW_SECONDS = 0.1
"""The delay of each chunk of data to and from MongoDB. A search is delayed several times."""


@contextmanager
def lost_records(product: Product) -> Iterator[None]:
    """Delete records from Kafka that the consumer has not read yet."""
    try:
        with without_consumer(product):
            Story.objects.update(title="changed")
            wait_until(lambda: not OutboxRecord.objects.exists(), "the changes are in Kafka")
            delete_records(product.settings, bounds(product.settings))
            yield
    finally:
        # A repair closes only the gaps that were found before it.
        product.wait_until(lambda: not losses(product), "the gaps are stored")
        repair(product)


@contextmanager
def gap(product: Product) -> Iterator[None]:
    """Make the consumer resume after the lost records."""
    with lost_records(product):
        product.consumer.start()
        product.consumer.wait_for("partition.gap")
        yield


@contextmanager
def reused_ids(product: Product) -> Iterator[None]:
    truncate()
    product.story()
    product.relay.wait_for("outbox.ids_reused")
    try:
        yield
    finally:
        with another(product, "jobs", product.environment, "run_jobs"):
            done = Job.objects.filter(state=JobState.DONE)
            product.wait_until(done.exists, "the repair", 120)


@contextmanager
def dead_letter(product: Product) -> Iterator[None]:
    publish(product, poison(product, 9))
    try:
        yield
    finally:
        done = manage_patiently(product.environment, *DISCARD)
        assert done.returncode == 0, done.stderr
        # The command waits only some seconds for MongoDB to compare the row.
        if DeadLetter.objects.filter(may_differ=True).exists():
            repair(product)


@contextmanager
def missing_documents(product: Product) -> Iterator[None]:
    with product.collection() as documents:
        documents.delete_many({})
    try:
        yield
    finally:
        repair(product)


@contextmanager
def superfluous_documents(product: Product) -> Iterator[None]:
    keys = (901, 902)
    with product.collection() as documents:
        story = documents.find_one()
        assert story is not None
        # With all columns, because a document that lacks a column would be a separate problem.
        documents.insert_many({**story, "_id": key} for key in keys)
        try:
            yield
        finally:
            documents.delete_many({"_id": {"$in": keys}})


@contextmanager
def difference(product: Product) -> Iterator[None]:
    with product.collection() as documents:
        documents.update_one({}, {"$set": {"title": "edited"}})
    assert reconcile(product)[0] == 1
    try:
        yield
    finally:
        repair(product)


@contextmanager
def lacking_column(product: Product) -> Iterator[None]:
    """Remove a column from a document, as if the model did not have it when it was written."""
    with product.collection() as documents:
        story = documents.find_one_and_update({}, {"$unset": {"title": ""}})
        assert story is not None
        record = f"{product.settings.positions_collection}_columns"
        documents.database[record].delete_many({})
        try:
            yield
        finally:
            documents.replace_one({"_id": story["_id"]}, story)


@contextmanager
def slow_search(product: Product) -> Iterator[None]:
    with lacking_column(product):
        product.proxies["MongoDB"].slow(_SLOW_SECONDS)
        try:
            yield
        finally:
            product.proxies["MongoDB"].restore()


def losses(product: Product) -> list[int]:
    """Return the partitions whose lost records no consumer has noticed yet."""
    return [each["partition"] for each in product.status()["lags"] if each["lost"]]


def repair(product: Product) -> None:
    code, result = reconcile(product, "--repair")
    assert code == 0, result
