"""Loads the demo data in a separate process."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from project.stack.output_summary import summary_line
from project.stack.run_program import setpriv_prefix
from project.up.daemon import manage


class DemoLoad:
    """Runs `manage.py load_demo`. The output contains passwords, so it is not written to a file."""

    def __init__(self, log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*setpriv_prefix(), *manage("load_demo")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(env),
                start_new_session=True,
                text=True,
            )

    def done(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """End the process. The next run of `up` creates the missing demo data."""
        self._process.terminate()
        self._process.wait()

    def result(self) -> str:
        """Return the output of the command, or the reason why the command failed."""
        printed, _ = self._process.communicate()
        if self._process.returncode == 0:
            return printed
        why = summary_line(self._log.read_text(errors="replace"))
        return f"The demo data could not be loaded ({why}); see {self._log}."
