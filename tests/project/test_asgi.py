"""The start of the ASGI application."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.config.environment import BASE_DIR


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DJANGO_SECRET_KEY", "", "storyfeed: DJANGO_SECRET_KEY is not set"),
        ("LOG_LEVEL", "loud", "storyfeed: LOG_LEVEL is 'loud'"),
    ],
)
def test_invalid_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    environment = {
        **os.environ,
        "STORYFEED_HOME": str(tmp_path),
        "DJANGO_SECRET_KEY": "x",
        variable: value,
    }
    command = [sys.executable, "-c", "import project.asgi"]
    ended = subprocess.run(
        command, env=environment, cwd=BASE_DIR, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1
