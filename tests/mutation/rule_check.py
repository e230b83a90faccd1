"""Removes one rule at a time from a copy of the checkout, and runs the tests that must notice."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from project.stack.errors import StackError
from project.up.console import Console
from tests.mutation.rules import Rule
from tests.mutation.tree import copy_checkout
from tests.support.databases import DATABASES, SQLITE
from tests.support.environment import ADDRESSES, environment
from tests.support.servers import Servers

LIMIT_SECONDS = 600
"""How long the tests of a rule may take. Without the rule, they could wait forever."""
_PASSED, _FAILED = 0, 1
"""pytest's exit codes. Any other code means that the tests could not be run."""


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """Checks rules one after the other, and prints the results to the console."""

    console: Console

    def run(self, rules: Sequence[Rule], *, units: bool) -> int:
        """Return 1 if the tests of a rule pass without the rule.

        With `units`, rules whose tests need servers are left out. Raise StackError if a test fails
        although no rule was removed.
        """
        chosen = [rule for rule in rules if not (units and rule.servers)]
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="storyfeed-tests-"))
            )
            needed = any(rule.servers for rule in chosen)
            found = (
                stack.enter_context(Servers(folder, self.console).feed()) if needed else ("", "")
            )
            env = environment(folder, **dict(zip(ADDRESSES, found, strict=True)))
            env["DATABASE_URL"] = DATABASES[SQLITE].url(None, folder, "rules")
            copy = Copy(folder / "checkout", env)
            copy_checkout(copy.folder)
            self._require_success(copy, chosen)
            survivors = [rule for rule in chosen if not self._is_noticed(copy, rule)]
        self.console.show(
            f"{len(chosen) - len(survivors)} of {len(chosen)} removed rules were noticed; "
            f"{len(rules) - len(chosen)} were not checked."
        )
        return 1 if survivors else 0

    def _require_success(self, copy: "Copy", rules: Sequence[Rule]) -> None:
        for servers in {rule.servers for rule in rules}:
            tests = {test for rule in rules if rule.servers is servers for test in rule.tests}
            code, output = copy.run(sorted(tests), servers=servers)
            if code != _PASSED:
                self.console.show(output)
                raise StackError("A test of a rule fails although no rule was removed.")

    def _is_noticed(self, copy: "Copy", rule: Rule) -> bool:
        with copy.without(rule):
            code, output = copy.run(rule.tests, servers=rule.servers)
        if code not in {None, _PASSED, _FAILED}:
            self.console.show(output)
            raise StackError(f"The tests of a removed rule could not be run ({rule}).")
        what = {_PASSED: "NOT NOTICED", None: "noticed, because the tests did not end"}
        self.console.show(f"{what.get(code, _failed(output))}: {rule} ({rule.file})")
        return code != _PASSED


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the checkout."""

    folder: Path
    env: Mapping[str, str]

    @contextmanager
    def without(self, rule: Rule) -> Iterator[None]:
        """Remove a rule from the copy inside the block."""
        changed, path = rule.removed(self.folder), self.folder / rule.file
        original = path.read_text()
        try:
            self._write(path, changed)
            yield
        finally:
            self._write(path, original)

    def run(self, tests: Sequence[str], *, servers: bool) -> tuple[int | None, str]:
        """Return pytest's exit code and its output. The code is None if the tests did not end."""
        chosen = [] if servers else ["-m", "not services"]
        plugins = [f"-pno:{name}" for name in ("cacheprovider", "randomly")]
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-q", *plugins, *chosen, *tests],
            cwd=self.folder,
            env=self.env,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, output

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # Python would use the old bytecode if the file kept its size and, in whole seconds, its
        # modification time.
        Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _failed(output: str) -> str:
    """Return which test has failed, from pytest's output."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+\.py.*?)(?: - |$)", output, re.MULTILINE)
    return f"noticed by {found[1]}" if found else "noticed"
