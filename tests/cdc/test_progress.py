"""What the progress bar costs a process that shows none."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT


@pytest.mark.slow
def test_a_process_that_shows_no_bar_does_not_import_rich() -> None:
    """Rich would take a tenth of the time in which a process starts."""
    code = "import sys, django; django.setup(); print('rich' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "False"
