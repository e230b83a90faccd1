"""The processes of a site: relay, consumer, jobs and web, and what they say about a refusal."""

import http.client
import re
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Self

import psutil

from cdc.conf import CdcSettings
from tests.support.commands import manage
from tests.support.processes import Daemon
from tests.support.web import Web

DAEMONS = {
    "relay": ("relay_outbox",),
    "consumer": ("consume_and_save_to_mongodb", "--instance", "one"),
    "jobs": ("run_jobs",),
}
_TAG = re.compile(r"<[^>]+>")


class Site:
    """A relay, a consumer, jobs and a web process, which read their passwords from files."""

    def __init__(self, settings: CdcSettings, folder: Path, environment: dict[str, str]) -> None:
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "STORYFEED_HOME": str(folder / "home"),
            "KAFKA_TOPIC": settings.topic,
            "MONGODB_DATABASE": settings.mongodb_database,
            "CONSUMER_GROUP": settings.group,
            **environment,
        }
        self._folder = folder
        done = manage(self.environment, "collectstatic", "--noinput")
        assert done.returncode == 0, done.stderr
        self.daemons = {
            name: Daemon(folder / f"{name}.log", self.environment, *command)
            for name, command in DAEMONS.items()
        }
        self.web = self._web().__enter__()
        self.pages: list[str] = []
        """All pages that were shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons.values():
            with suppress(ProcessLookupError):
                daemon.kill()
        self.web.__exit__(None, None, None)

    def wait_until_ready(self) -> None:
        for name, event in (("relay", "relay.started"), ("consumer", "partition.taken")):
            self.daemons[name].wait_for(event)
        self.daemons["jobs"].wait_for("jobs.started")

    def restart(self) -> None:
        """Stop all processes, as a supervisor does, and start them with the corrected files."""
        for daemon in self.daemons.values():
            code = daemon.stop()
            assert code == 0, f"exit code {code}: {daemon.log[-3000:]}"
        self.web.__exit__(None, None, None)
        for daemon in self.daemons.values():
            daemon.start()
        self.web = self._web().__enter__()

    def shown(self, path: str, cookie: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        client = http.client.HTTPConnection(self.web.url.removeprefix("http://"), timeout=60)
        client.request("GET", path, headers={"Cookie": f"sessionid={cookie}"})
        answer = client.getresponse()
        page = answer.read().decode()
        client.close()
        self.pages.append(page)
        return answer.status, " ".join(unescape(_TAG.sub(" ", page)).split())

    def status(self) -> str:
        """Return the output of `manage.py cdc_status`."""
        done = manage(self.environment, "cdc_status")
        self.pages += [done.stdout, done.stderr]
        return done.stdout + done.stderr

    def logs(self) -> dict[str, str]:
        return {**{name: each.log for name, each in self.daemons.items()}, "web": self.web.log}

    def log_ends(self) -> dict[str, int]:
        return {name: len(log) for name, log in self.logs().items()}

    def logs_since(self, ends: dict[str, int]) -> dict[str, str]:
        return {name: log[ends[name] :] for name, log in self.logs().items()}

    def command_lines(self) -> str:
        pids = [*(each.pid for each in self.daemons.values()), self.web.process.pid]
        return "\n".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids)

    def _web(self) -> Web:
        return Web(self._folder / "web.log", self.environment, debug=False)
