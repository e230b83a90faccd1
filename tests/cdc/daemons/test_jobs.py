"""The jobs daemon does not start if it could not do its work."""

import pytest

from cdc.daemons import jobs as module
from cdc.daemons.jobs import run_jobs
from cdc.errors import Misconfigured
from cdc.registry import Capture, Registry
from stories.models import Story
from tests.support.toy.models import Note


@pytest.mark.django_db(transaction=True)
def test_conflicting_captures_prevent_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    unsound = Registry()
    for model in (Story, Note):
        unsound.register(Capture(model=model))
    monkeypatch.setattr(module, "registry", unsound, raising=False)
    monkeypatch.setattr(module, "require_valid_clients", lambda _: None)

    def start(*_: object) -> None:
        raise AssertionError("the daemon has started")

    monkeypatch.setattr(module, "Startup", start)

    with pytest.raises(Misconfigured, match=r"Story and Note are both replicated .* \(cdc\.E013\)"):
        run_jobs()
