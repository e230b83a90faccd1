"""The page of the operator log."""

import pytest
from django.test import Client

from cdc.operator_log import log_action

pytestmark = pytest.mark.django_db


def test_the_log_is_paginated(worker: Client) -> None:
    for number in range(51):
        log_action("pause", f"number {number}", "", using="default")
    assert "number 0<" in worker.get("/operations/log/?page=2").content.decode()
