"""Time for the first report, on a busy machine."""

import pytest

from project.dashboard import cache


@pytest.fixture(autouse=True)
def patient_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_FIRST_SECONDS", 60.0)
