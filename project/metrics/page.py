"""`/metrics`: the feed's state and this process, for Prometheus on this machine or with a token."""

from collections.abc import Iterable, Mapping
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cdc import __version__
from cdc.operations import Delays, PartitionLag, Status, TableCount
from project.metrics.exposition import CONTENT_TYPE, Metric, Sample, exposition
from project.metrics.process import process_metrics
from project.pages import feed_state
from project.pages.latest import Reading
from users.client_address import is_from_this_machine

_REFUSAL = "Metrics are for this machine, and for who sends the token that METRICS_TOKEN names.\n"


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics; who asks often gets the same status for a second."""
    if not (is_from_this_machine(request) or _has_token(request)):
        return HttpResponse(_REFUSAL, status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE)


def metrics_text() -> str:
    """Return the metrics of the feed and of this process."""
    reading = feed_state.feed.latest.get()
    return exposition([*_build(), *feed_metrics(reading), *process_metrics()])


def feed_metrics(reading: Reading[Status]) -> list[Metric]:
    """Return the feed's metrics; what could not be read is left out, and counted as a problem."""
    status = reading.value
    problems = len(status.problems) if status else 0
    known = _status_metrics(status, reading.seconds) if status else []
    problem = max(problems, int(bool(reading.problem)))
    return [_one("storyfeed_problems", "Parts of the feed that did not answer.", problem), *known]


def _status_metrics(status: Status, age: float) -> list[Metric]:
    outbox = status.outbox
    relay = None if status.relay is None else int(bool(status.relay))
    return [
        _one("storyfeed_status_age_seconds", "Age of these figures.", age),
        _one("storyfeed_healthy", "1 when everything answers and works.", int(status.healthy)),
        _one("storyfeed_outbox_rows", "Changes that wait.", outbox.rows if outbox else None),
        _one(
            "storyfeed_outbox_oldest_seconds",
            "Age of the oldest change that waits.",
            status.outbox_seconds if outbox else None,
        ),
        _one("storyfeed_relay_active", "1 when a relay has the right to publish.", relay),
        _one("storyfeed_consumers", "Processes in the consumer group.", status.consumers),
        _one("storyfeed_dead_letters", "Those that wait for a decision.", status.dead_letters),
        *_lags(status.lags or ()),
        *_tables(status.tables or ()),
        *_counters(status.counters or {}),
        *_delays(status.delays),
    ]


def _lags(lags: Iterable[PartitionLag]) -> list[Metric]:
    named = [({"topic": lag.topic, "partition": str(lag.partition)}, lag) for lag in lags]
    records = [Sample(value=lag.records, labels=labels) for labels, lag in named]
    seconds = [Sample(value=lag.seconds, labels=labels) for labels, lag in named]
    return [
        _many("storyfeed_lag_records", "Records that are not applied.", records),
        _many("storyfeed_lag_seconds", "Age of the first record that is not applied.", seconds),
    ]


def _tables(tables: Iterable[TableCount]) -> list[Metric]:
    rows = [Sample(value=table.rows, labels={"table": table.table}) for table in tables]
    documents = [
        Sample(value=count, labels={"table": table.table, "collection": name})
        for table in tables
        for name, count in table.documents.items()
    ]
    return [
        _many("storyfeed_table_rows", "Rows in the database.", rows),
        _many("storyfeed_collection_documents", "Documents in the copy.", documents),
    ]


def _counters(counters: Mapping[str, int]) -> list[Metric]:
    return [
        Metric(
            name=f"storyfeed_{name}_total",
            help=f"{name.replace('_', ' ').capitalize()} since the database was made.",
            samples=(Sample(value=count),),
            kind="counter",
        )
        for name, count in counters.items()
    ]


def _delays(delays: Delays | None) -> list[Metric]:
    found = {"0.5": delays.p50, "0.95": delays.p95, "0.99": delays.p99} if delays else {}
    samples = [
        Sample(value=seconds, labels={"quantile": quantile})
        for quantile, seconds in found.items()
        if seconds is not None
    ]
    text = "From a change's capture to the copy, over the last minutes."
    return [_many("storyfeed_delay_seconds", text, samples)]


def _build() -> list[Metric]:
    sample = Sample(value=1, labels={"version": __version__})
    return [_many("storyfeed_build_info", "The release that runs.", [sample])]


def _one(name: str, text: str, value: float | None) -> Metric:
    return _many(name, text, [] if value is None else [Sample(value=value)])


def _many(name: str, text: str, samples: Iterable[Sample]) -> Metric:
    return Metric(name=name, help=text, samples=tuple(samples))


def _has_token(request: HttpRequest) -> bool:
    token: str = settings.ENVIRONMENT.metrics_token
    given = request.headers.get("Authorization", "")
    return bool(token) and compare_digest(given.encode(), f"Bearer {token}".encode())
