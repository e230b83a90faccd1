"""The status of the pipeline as Prometheus metrics."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cdc.operations import Delays, PartitionLag, State, Status, TableCount
from project.pages import feed_state
from project.pages.feed_state import FeedState


class FeedCollector(Collector):
    """Metrics of the whole pipeline. Only the web process serves them, to avoid duplicates."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics that have a value. A status older than one second is read again."""
        return (metric for metric in _metrics(feed_state.feed.state()) if metric.samples)


def _metrics(found: FeedState) -> Iterator[Metric]:
    status = found.reading.value
    if found.state is not None:
        yield _gauge("storyfeed_problems", "Services that are not responding.", _problems(found))
        yield _gauge("storyfeed_healthy", "1 if the pipeline is healthy.", int(found.healthy))
        yield _state(found.state)
    if status:
        age = found.reading.seconds
        yield _gauge("storyfeed_status_age_seconds", "Age of this status.", age)
        yield from _summary(status)
        yield from _lags(status.lags or ())
        yield from _horizons(status.lags or ())
        yield from _tables(status.tables or ())
        yield from _counters(status.counters or {})
        yield _delays(status.delays)


def _problems(found: FeedState) -> int:
    """Count the services that do not respond: at least one if the status could not be read."""
    status = found.reading.value
    return max(len(status.unreachable) if status else 0, int(bool(found.problems)))


def _summary(status: Status) -> Iterator[Metric]:
    outbox = status.outbox
    oldest = status.outbox_seconds if outbox else None
    relay = None if status.relay is None else int(bool(status.relay))
    yield _gauge("storyfeed_outbox_rows", "Rows in the outbox.", outbox.rows if outbox else None)
    yield _gauge("storyfeed_outbox_oldest_seconds", "Age of the oldest outbox row.", oldest)
    yield _gauge("storyfeed_relay_active", "1 if a relay has the lease.", relay)
    yield _gauge("storyfeed_consumers", "Members of the consumer group.", status.consumers)
    yield _gauge(
        "storyfeed_dead_letters", "Dead letters that wait for a decision.", status.dead_letters
    )
    failing = None if status.troubles is None else len(status.troubles)
    yield _gauge("storyfeed_failing_processes", "Processes that retry after an error.", failing)
    gaps = _gaps(status)
    yield _gauge("storyfeed_gaps", "Gaps that no reconciliation has closed.", gaps)


def _gaps(status: Status) -> int | None:
    """Count the stored gaps, and those that a consumer will store when it is started."""
    if status.gaps is None:
        return None
    stored = {(gap.topic, gap.partition) for gap in status.gaps}
    lost = {(lag.topic, lag.partition) for lag in status.lags or () if lag.lost}
    return len(status.gaps) + len(lost - stored)


def _state(current: State) -> Metric:
    metric = _gauge("storyfeed_state", "1 for the current state of the pipeline, otherwise 0.")
    for state in State:
        metric.add_sample(metric.name, {"state": state.value}, int(state is current))
    return metric


def _lags(lags: Iterable[PartitionLag]) -> Iterator[Metric]:
    records = _gauge("storyfeed_lag_records", "Records that have not been applied yet.")
    seconds = _gauge(
        "storyfeed_lag_seconds", "Age of the oldest record that has not been applied yet."
    )
    for lag in lags:
        labels = {"topic": lag.topic, "partition": str(lag.partition)}
        records.add_sample(records.name, labels, lag.records)
        if lag.seconds is not None:
            seconds.add_sample(seconds.name, labels, lag.seconds)
    yield from (records, seconds)


def _horizons(lags: Iterable[PartitionLag]) -> Iterator[Metric]:
    loss = _gauge(
        "storyfeed_time_to_data_loss_seconds",
        "How long the consumers can stay offline before Kafka may remove records that have "
        "not been applied yet.",
    )
    expiry = _gauge(
        "storyfeed_time_to_marker_expiry_seconds",
        "How long the consumers can stay offline before a record that has not been applied yet is "
        "older than DELETE_MARKER_DAYS.",
    )
    for lag in lags:
        labels = {"topic": lag.topic, "partition": str(lag.partition)}
        if lag.seconds_to_loss is not None:
            loss.add_sample(loss.name, labels, lag.seconds_to_loss)
        if lag.seconds_to_marker_expiry is not None:
            expiry.add_sample(expiry.name, labels, lag.seconds_to_marker_expiry)
    yield from (loss, expiry)


def _tables(tables: Iterable[TableCount]) -> Iterator[Metric]:
    rows = _gauge("storyfeed_table_rows", "Rows in the database.")
    documents = _gauge("storyfeed_collection_documents", "Documents in the replica.")
    for table in tables:
        rows.add_sample(rows.name, {"table": table.table}, table.rows)
        for collection, count in table.documents.items():
            labels = {"table": table.table, "collection": collection}
            documents.add_sample(documents.name, labels, count)
    yield from (rows, documents)


def _counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    for name, count in counters.items():
        text = f"{name.replace('_', ' ').capitalize()} since the database was created."
        yield CounterMetricFamily(f"storyfeed_{name}", text, value=count)


def _delays(delays: Delays | None) -> Metric:
    metric = _gauge(
        "storyfeed_delay_seconds", "Delay from capture to replica in the last few minutes."
    )
    found = {"0.5": delays.p50, "0.95": delays.p95, "0.99": delays.p99} if delays else {}
    for quantile, seconds in found.items():
        if seconds is not None:
            metric.add_sample(metric.name, {"quantile": quantile}, seconds)
    return metric


def _gauge(name: str, text: str, value: float | None = None) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
