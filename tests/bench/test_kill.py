"""The conversion of documents to rows, and the pinned jars of the peer."""

import re
from datetime import UTC, datetime

from project.stack.kafka.jars import read_sums
from tests.bench.kill import plain
from tests.bench.machine import jar_version, machine
from tests.bench.worker import SUMS_FILE

MOMENT = datetime(2009, 6, 1, 12, 30, 15, 123_000, tzinfo=UTC)
ROW = {"id": 7, "title": "A", "topic": {"name": "Linux"}, "thumbnail": None, "submit_date": MOMENT}


def test_our_document_is_the_row_plus_metadata() -> None:
    assert plain({"_id": 7, "_epoch": 1, "_version": 2, **ROW}) == ROW


def test_the_peers_document_is_converted_to_the_same_row() -> None:
    millis = 1_243_859_415_123
    document = {**ROW, "_id": {"id": 7}, "topic": '{"name": "Linux"}', "submit_date": millis}
    del document["id"]
    assert plain(document) == ROW


def test_the_peers_jars_are_pinned_consistently() -> None:
    sums = read_sums(SUMS_FILE)
    assert all(re.fullmatch(r"[0-9a-f]{128}", digest) for digest in sums.values())
    assert jar_version("debezium-connector-mysql", SUMS_FILE).endswith(".Final")
    assert {jar_version(name, SUMS_FILE) for name in ("connect-runtime", "kafka-clients")} == {
        jar_version("connect-api", SUMS_FILE)
    }


def test_the_machine_is_described() -> None:
    assert re.fullmatch(r".+, \d+ cores, \d+ GB, \w+ \w+", machine())
