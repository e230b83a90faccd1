"""The start of a process."""

import pytest

from tests.support.commands import manage

pytestmark = pytest.mark.slow


def test_a_command_collects_garbage_but_not_what_it_has_imported() -> None:
    code = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    assert manage({}, "shell", "-c", code).stdout.splitlines()[-1] == "True True"
