"""The five views of the state: Pipeline page, feed page, `/metrics`, `/readyz` and `cdc_status`."""

import html
import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cdc.status.findings import State
from cdc.status.outage import OUTAGE_REMEDY
from tests.acceptance.verdict.table import Row
from tests.project.metrics.samples import Samples, samples_of
from tests.project.metrics.test_alerts import ALERTS, EVALUATED, fires
from tests.support.commands import manage

if TYPE_CHECKING:
    from tests.support.promql import Labels

SECONDS = 90.0
_UNHEALTHY = frozenset({"StoryfeedUnhealthy"})
_OF_THE_PAST = {"StoryfeedSlow"}
"""Fires in any condition if changes were slow before it; belongs to no row."""
_PARTS = {"The database": "database", "Kafka": "kafka", "MongoDB": "mongodb"}
"""The services in the verdict, and their names in `/readyz`."""
_AGES = ("storyfeed_outbox_oldest_seconds", "storyfeed_lag_seconds")
"""The metrics that grow as long as the same change waits."""
_VERDICT = re.compile(r"<strong>(?P<word>[\w ]+)\.</strong> (?P<sentence>.*?)</p>", re.DOTALL)
_ERROR = re.compile(r"<h1>.*?</h1>\s*<p>(?P<sentence>.*?)</p>", re.DOTALL)
_PAGES = ("/operations/", "/operations/verdict/", "/feed/", "/metrics", "/readyz")
_AGAIN = "Try again in a moment."
"""The remedy for visitors, instead of the one for operators."""
_LINK = re.compile(r" <a .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the web process."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Scrape:
    """The metrics at one point in time."""

    at: float
    samples: Mapping[str, Samples]

    @property
    def states(self) -> set[str]:
        series = self.samples.get("storyfeed_state", {})
        return {dict(labels)["state"] for labels, on in series.items() if on}


class Views:
    """What the web process and the command show, to a Technical Worker and to programs."""

    def __init__(self, url: str, session: str, environment: dict[str, str]) -> None:
        self._host = url.removeprefix("http://")
        self._session, self._environment = session, environment

    def scrape(self) -> Scrape:
        return Scrape(time.monotonic(), samples_of(self._get("/metrics").body))

    def sentence(self) -> str:
        """Return the verdict as the feed page shows it."""
        found = _VERDICT.search(self._get("/operations/verdict/").body)
        return _text(found["sentence"]) if found else ""

    def status(self) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the output of `cdc_status`."""
        done = manage(self._environment, "cdc_status", "--json")
        lines = done.stdout.splitlines()
        assert lines, done.stderr
        return done.returncode, json.loads(lines[0])

    def disagreements(self, row: Row, before: Scrape) -> list[str]:
        """Return how the views differ from the documented row.

        `before` is a scrape of the healthy pipeline. The command takes longest, so it is run only
        if the other views agree.
        """
        # During an outage, each response takes seconds.
        with ThreadPoolExecutor(len(_PAGES)) as threads:
            page, part, feed, metrics, ready = threads.map(self._get, _PAGES)
        found = [
            *_wrong_verdict(row, "/operations/", page),
            *_wrong_verdict(row, "/operations/verdict/", part),
            *_wrong_feed(row, feed),
            *_wrong_metrics(row, before, Scrape(time.monotonic(), samples_of(metrics.body))),
            *_wrong_readiness(row, ready),
        ]
        return found or list(self._wrong_command(row))

    def _wrong_command(self, row: Row) -> Iterator[str]:
        code, shown = self.status()
        if (code, shown["state"]) != (row.exit_code, row.state):
            yield f"cdc_status: exit code {code}, {shown['state']}"
        if not row.describes(shown["verdict"]):
            yield f"cdc_status: {shown['verdict']}"

    def _get(self, path: str) -> Answer:
        connection = http.client.HTTPConnection(self._host, timeout=SECONDS)
        try:
            connection.request("GET", path, headers={"Cookie": f"sessionid={self._session}"})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()


def _wrong_verdict(row: Row, name: str, answer: Answer) -> Iterator[str]:
    if _is_without_database(row):
        # The session and the role of the visitor are in the database.
        found = _ERROR.search(answer.body)
        sentence = _text(found["sentence"]) if found else answer.body
        if answer.status != 503 or not row.describes(sentence.replace(_AGAIN, OUTAGE_REMEDY)):
            yield f"{name}: {answer.status} {sentence}"
        return
    found = _VERDICT.search(answer.body)
    if answer.status != 200 or found is None:
        yield f"{name}: {answer.status} {answer.body}"
    elif found["word"] != row.state.label or not row.describes(_text(found["sentence"])):
        yield f"{name}: {found['word']}. {_text(found['sentence'])}"
    elif ("sf-good" in answer.body[: found.start()]) != (row.state is State.HEALTHY):
        yield f"{name}: the colour of the verdict"


def _wrong_feed(row: Row, page: Answer) -> Iterator[str]:
    """Yield what is wrong with the feed page, which loads its verdict separately."""
    if _is_without_database(row):
        yield from _wrong_verdict(row, "/feed/", page)
    elif page.status != 200 or 'hx-get="/operations/verdict/"' not in page.body:
        yield f"/feed/: {page.status}"
    elif ("Kafka is not responding." in page.body) != (_service_of(row) == "kafka"):
        yield "/feed/: the state of Kafka"


def _wrong_metrics(row: Row, before: Scrape, now: Scrape) -> Iterator[str]:
    if now.states != {row.state.value}:
        yield f"/metrics: {now.states}"
    if now.samples.get("storyfeed_healthy") != {(): float(row.state is State.HEALTHY)}:
        yield f"/metrics: healthy is {now.samples.get('storyfeed_healthy')}"
    if now.samples.get("storyfeed_problems") != {(): float(bool(_service_of(row)))}:
        yield f"/metrics: problems are {now.samples.get('storyfeed_problems')}"
    waits = row.state is not State.HEALTHY
    wanted = row.alerts if row.state is State.HEALTHY else row.alerts | _UNHEALTHY
    alerts = _alerts(before, now, waits=waits) - _alerts(before, before, waits=waits)
    alerts -= _OF_THE_PAST
    if alerts != wanted:
        yield f"alerts: {sorted(alerts)} instead of {sorted(wanted)}"


def _wrong_readiness(row: Row, answer: Answer) -> Iterator[str]:
    service = _service_of(row)
    away = {name for name, state in json.loads(answer.body)["parts"].items() if state != "ok"}
    # The migrations are in the database.
    wanted = {service, "migrations"} if service == "database" else {service} - {""}
    if (answer.status, away) != (503 if wanted else 200, wanted):
        yield f"/readyz: {answer.status} {sorted(away)}"


def _service_of(row: Row) -> str:
    """Return the service that does not respond, as `/readyz` names it; usually empty."""
    if row.state is not State.UNREACHABLE:
        return ""
    return next(part for name, part in _PARTS.items() if row.verdict.startswith(name))


def _is_without_database(row: Row) -> bool:
    return _service_of(row) == "database"


def _text(shown: str) -> str:
    """Return a sentence of a page as the terminal shows it."""
    plain = re.sub(r"</?code>", "`", _LINK.sub("", shown))
    return html.unescape(plain).strip()


def _alerts(before: Scrape, now: Scrape, *, waits: bool) -> set[str]:
    """Return the alerts that fire if the pipeline stays as it is now for an hour.

    If `waits` is false, newer changes constantly replace the changes in transit, so their age
    does not grow.
    """
    series: dict[str, dict[Labels, list[float]]] = {}
    for name, samples in now.samples.items():
        for labels, value in samples.items():
            first = before.samples.get(name, {}).get(labels, value)
            growth = 0.0
            if name.endswith("_total"):
                growth = 60 * (value - first) / max(now.at - before.at, 1.0)
            elif name in _AGES and value and waits:
                growth = 60.0
            minutes = [first, *(value + growth * minute for minute in range(EVALUATED))]
            series.setdefault(name, {})[frozenset(labels)] = minutes
    return {rule["alert"] for rule in ALERTS if fires(rule, series)}
