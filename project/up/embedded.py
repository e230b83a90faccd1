"""The embedded profile: everything on one machine, by `manage.py up`."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connections

from cdc.commands import Stop
from cdc.errors import Misconfigured
from cdc.operations import ensure_topics
from project.config.environment import load_environment
from project.http.static_files import collect_static_files
from project.stack.child import Child
from project.up.background import Background
from project.up.backlog import Backlog
from project.up.console import Console
from project.up.daemon import Daemon, manage
from project.up.demo import DemoLoad
from project.up.home import Home
from project.up.servers import Servers
from project.up.supervisor import Supervisor
from project.up.web import Web

_POLL_SECONDS = 0.05
_WEB_SECONDS = 60.0
_QUICK_SECONDS = 0.5
_MOST_TRAFFIC = 1000
_INSTANCE = "embedded-1"
"""The consumer's name in its group: under the same name it gets its partitions back at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person asked `up` for."""

    host: str
    port: int | None
    """None: 8000, or the next free one."""
    traffic: float | None
    """Changes a second; None: no traffic."""
    demo: bool

    def __post_init__(self) -> None:
        if self.traffic is not None and not 0 < self.traffic <= _MOST_TRAFFIC:
            raise Misconfigured(
                f"--traffic is {self.traffic:g}: give a number over 0 and up to {_MOST_TRAFFIC}, "
                "or leave it out."
            )


class _StopRequestedError(Exception):
    """The person asked to stop while the parts were starting."""


class Embedded:
    """Starts the parts in order, keeps them running, stops them in reverse."""

    def __init__(self, home: Home, wishes: Wishes, stop: Stop, console: Console) -> None:
        self._home = home
        self._wishes = wishes
        self._stop = stop
        self._console = console
        self._supervisor = Supervisor(console.say)
        self._env = {"STORYFEED_HOME": str(home.folder), "PYTHONUNBUFFERED": "1"}
        self._web = Web(home.logs, load_environment(os.environ))
        self._metrics_port = load_environment(os.environ).metrics_port
        self._demo: DemoLoad | None = None

    def run(self) -> None:
        """Run until the first signal; everything is stopped when this returns or raises."""
        try:
            self._start()
            self._until(lambda: False)
        except _StopRequestedError:
            self._console.say("stopping; again to end at once")
        finally:
            if self._demo:
                self._demo.stop()
            self._supervisor.drain()

    def _start(self) -> None:
        self._web.listen(self._wishes.host, self._wishes.port)
        self._start_servers()
        self._start_feed()
        self._start_web()
        self._load_demo()
        self._start_traffic()
        self._console.say(f"ready: open {self._web.url} (Ctrl-C stops everything)")

    def _start_servers(self) -> None:
        """Start both while the database is prepared; both orders lead to the same."""
        servers = Servers(self._home, os.environ)
        install = Background(servers.install)
        if install.done_within(_QUICK_SECONDS):
            self._launch(servers)
            self._prepare_database()
        else:  # the first time on a machine: a download, which leaves the processor idle
            self._prepare_database()
            self._until(install.done)
            self._launch(servers)
        for server in servers.ours:
            self._wait_ready(server.child, server.answers, server.ready_seconds)
            self._console.say(f"{server.name} answers on {server.address}")

    def _launch(self, servers: Servers) -> None:
        for server in servers.ours:
            self._supervisor.start(server)

    def _prepare_database(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        self._console.say("database migrated")
        if collect_static_files():
            self._console.say("static files collected")

    def _start_feed(self) -> None:
        settings = load_environment(os.environ).cdc
        backlog = Backlog(settings)
        for name in ensure_topics(settings):
            self._console.say(f"topic {name} is there")
        # The consumer first, so that it is stopped last, with nothing left to apply.
        consume = ("consume_and_save_to_mongodb", "--instance", _INSTANCE)
        self._start_daemon("consumer", *consume, settled=backlog.is_applied)
        self._start_daemon("relay", "relay_outbox", settled=backlog.is_published)
        self._console.say("consumer and relay started")
        self._start_daemon("jobs", "run_jobs")

    def _start_daemon(
        self, name: str, *command: str, settled: Callable[[], bool] = lambda: True
    ) -> None:
        child = Child(name, self._home.logs)
        daemon = Daemon(child=child, argv=manage(*command), env={**self._env, **self._port()})
        self._supervisor.start(daemon, settled)

    def _port(self) -> dict[str, str]:
        """Return where the next daemon serves its metrics: one port after the other."""
        port, self._metrics_port = self._metrics_port, self._metrics_port and self._metrics_port + 1
        return {"METRICS_PORT": str(port or 0)}

    def _start_web(self) -> None:
        daemons = self._web.daemons(self._env)
        for daemon in daemons:
            self._supervisor.start(daemon)
        self._wait_ready(daemons[0].child, self._web.answers, _WEB_SECONDS)
        self._console.say("web answers")

    def _load_demo(self) -> None:
        """Load the demo data once all is there.

        Stories that waited for the feed's start would be the first delays that a newcomer reads.
        """
        if self._wishes.demo:
            self._demo = DemoLoad(self._home.logs / "load_demo.log", {**os.environ, **self._env})
            self._until(self._demo.done)
            self._console.show(self._demo.result())

    def _start_traffic(self) -> None:
        if self._wishes.traffic is not None and self._wishes.demo:
            self._start_daemon("traffic", "demo_traffic", "--rate", str(self._wishes.traffic))

    def _wait_ready(self, child: Child, answers: Callable[[], bool], seconds: float) -> None:
        child.wait_ready(lambda: self._stop.requested or answers(), seconds)
        if self._stop.requested:
            raise _StopRequestedError

    def _until(self, done: Callable[[], bool]) -> None:
        """Watch over what runs until `done()`; raises when the person asks to stop."""
        while not done():
            if self._stop.requested:
                raise _StopRequestedError
            self._supervisor.check()
            time.sleep(_POLL_SECONDS)
