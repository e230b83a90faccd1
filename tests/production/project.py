"""A Compose project of compose/, with generated secrets, seen from outside."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.production.engine import COMPOSE, DOCKER
from tests.production.shell import attempt, expect, run, wait_for
from tests.production.site import shared_stories
from tests.support.paths import ROOT

ANY_CHARACTER = "p@ss/w#rd?%41$HOME'\"\\`;&|<>{}[]() ключ"
"""A password with the characters that shells, URLs, YAML and SQL treat specially."""

CLUSTER = "cluster.yaml"
_AS_MEMBER = [
    "mongodb://mongo-1,mongo-2,mongo-3/?replicaSet=rs0",
    *("--tls", "--tlsCAFile", "/run/secrets/ca", "--tlsCertificateKeyFile", "/run/secrets/mongo-2"),
    *("--authenticationMechanism", "MONGODB-X509", "--authenticationDatabase", "$external"),
]


class Project:
    """The commands of an operator, such as `up` and `exec`, and disturbances such as kills."""

    def __init__(self, folder: Path, name: str, file: str) -> None:
        self.folder = folder / "compose"
        self._is_cluster = file == CLUSTER
        self._compose = [
            *(COMPOSE, "--project-name", name, "--env-file", str(self.folder / "env")),
            *("-f", str(self.folder / file)),
        ]

    def compose(self, *arguments: str, seconds: float = 600) -> str:
        return run([*self._compose, *arguments], seconds=seconds)

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers, running or not."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(run([DOCKER, "inspect", container]))
        return found[0]

    def running(self, service: str) -> bool:
        """Return whether all containers of a service run and are healthy, if they have a check."""
        states = [self.inspect(each)["State"] for each in self.containers(service)]
        healthy = all(
            each.get("Health", {}).get("Status", "healthy") == "healthy" for each in states
        )
        return bool(states) and healthy and all(each["Running"] for each in states)

    def kill(self, service: str) -> None:
        """Send SIGKILL to the main process of each container, as the kernel would."""
        for each in self.containers(service):
            if pid := self.inspect(each)["State"]["Pid"]:
                os.kill(pid, signal.SIGKILL)

    def restarts(self, service: str) -> dict[str, int]:
        """Return how often each container of a service has been restarted."""
        return {each: self.inspect(each)["RestartCount"] for each in self.containers(service)}

    def wait_restarted(self, service: str, before: dict[str, int]) -> float:
        """Wait until each container has been restarted more often than `before`."""

        def again() -> bool:
            now = self.restarts(service)
            return all(now[each] > count for each, count in before.items()) and self.running(
                service
            )

        return wait_for(f"the restart of {service}", again)

    def manage(self, *arguments: str) -> str:
        return run(self._manage(*arguments))

    def doctor(self) -> list[str]:
        """Return what `doctor` finds, except what is in order."""
        done = attempt(self._manage("doctor"))
        lines = [line for line in done.stdout.splitlines() if line.startswith(("warning", "wrong"))]
        expect(
            done.returncode == bool(lines), f"doctor exited with {done.returncode}: {done.stdout}"
        )
        return lines

    def titles(self, marker: str) -> list[list[str]]:
        """Return the titles that start with `marker`, in each collection; empty in an outage."""
        mongo = self.containers("mongo-2" if self._is_cluster else "mongo")[0]
        login = _AS_MEMBER if self._is_cluster else ["mongodb://localhost/"]
        mongosh = ["mongosh", "--quiet", *login, "--eval", shared_stories(marker)]
        shell = [DOCKER, "exec", mongo, *mongosh]
        done = attempt(shell, seconds=60)
        found: list[list[str]] = json.loads(done.stdout) if done.returncode == 0 else [[]]
        return found

    def logs(self, service: str) -> list[str]:
        lines = [attempt([DOCKER, "logs", each]).stdout for each in self.containers(service)]
        return "".join(lines).splitlines()

    def _manage(self, *arguments: str) -> list[str]:
        web = self.containers("web-2" if self._is_cluster else "web")[0]
        return [DOCKER, "exec", web, "python", "manage.py", *arguments]


@contextmanager
def project(parent: Path, name: str, file: str = "compose.yaml") -> Iterator[Project]:
    """Copy compose/ with secrets to `parent`, and remove all containers and volumes at the end."""
    shutil.copytree(
        ROOT / "compose", parent / "compose", ignore=shutil.ignore_patterns("env", "secrets")
    )
    run(["chmod", "-R", "go=", parent / "compose"])  # as in a checkout of a user with umask 077
    (parent / "compose" / "env").write_text((ROOT / "compose/env.example").read_text())
    run([parent / "compose" / "make-secrets"])
    if file == CLUSTER:
        run([parent / "compose" / "make-certificates"])
    for secret in ("database_password", "mongodb_password"):
        (parent / "compose/secrets" / secret).write_text(ANY_CHARACTER)
    created = Project(parent, name, file)
    try:
        yield created
    finally:
        created.compose("down", "--volumes", "--timeout", "20")


def build() -> None:
    """Build the project's image from compose/Dockerfile."""
    run(
        [DOCKER, "build", "--network", "host", "-t", "storyfeed", "-f", "compose/Dockerfile", "."],
        cwd=ROOT,
    )
