"""The embedded profile: everything on one machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connections

from cdc.commands import Stop
from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Retryable
from cdc.operations import ensure_topics
from project.config.environment import load_environment
from project.http.static_files import collect_static_files
from project.stack.child import Child
from project.up.background import Background
from project.up.console import Console
from project.up.daemon import Daemon, manage
from project.up.demo import DemoLoad
from project.up.drain_checks import DrainChecks
from project.up.home_folder import HomeFolder
from project.up.servers import EmbeddedServers
from project.up.supervisor import Supervisor
from project.up.web import Web

_POLL_SECONDS = 0.05
_WEB_SECONDS = 120.0
_TOPICS_SECONDS = 60.0
_QUICK_SECONDS = 0.5
_MAX_TRAFFIC = 1000
_INSTANCE = "embedded-1"
"""The consumer's group instance id. With a stable id, a restarted consumer gets its partitions
back at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The command-line options of `up`."""

    host: str
    port: int | None
    """None means 8000 or the next free port."""
    traffic: float | None
    """Changes per second; None means no traffic."""
    demo: bool

    def __post_init__(self) -> None:
        if self.traffic is not None and not 0 < self.traffic <= _MAX_TRAFFIC:
            raise Misconfigured(
                f"--traffic is {self.traffic:g}: choose a number greater than 0 and at most "
                f"{_MAX_TRAFFIC}, or omit the option."
            )


class _StopRequestedError(Exception):
    """A signal has requested that `up` stop."""


class Embedded:
    """Starts servers and daemons in order, keeps them running, and stops them in reverse order."""

    def __init__(self, home: HomeFolder, options: UpOptions, stop: Stop, console: Console) -> None:
        self._home = home
        self._options = options
        self._stop = stop
        self._console = console
        self._supervisor = Supervisor(console.say)
        self._env = {
            "STORYFEED_HOME": str(home.path),
            "PYTHONUNBUFFERED": "1",
            # If each thread had a memory arena, glibc would return less memory to the system.
            "MALLOC_ARENA_MAX": "2",
        }
        self._web = Web(home.logs, load_environment(os.environ))
        self._metrics_port = load_environment(os.environ).metrics_port
        self._demo: DemoLoad | None = None

    def run(self) -> None:
        """Run until the first signal or error, then stop all processes."""
        try:
            self._start()
            self._until(lambda: False)
        except _StopRequestedError:
            self._console.say("stopping; press Ctrl-C again to exit at once")
        finally:
            if self._demo:
                self._demo.stop()
            self._supervisor.drain()

    def _start(self) -> None:
        self._web.listen(self._options.host, self._options.port)
        servers = EmbeddedServers(self._home, os.environ)
        self._start_servers(servers)
        self._start_feed()
        self._start_web()
        self._load_demo()
        self._start_traffic()
        self._console.say(f"ready: open {self._web.url} (Ctrl-C stops everything)")
        # This start does not wait for the cache. If it cannot be written, later starts are slower.
        Background(servers.write_class_cache)

    def _start_servers(self, servers: EmbeddedServers) -> None:
        """Start Kafka and mongod while the database is migrated."""
        install = Background(servers.install)
        if install.done_within(_QUICK_SECONDS):
            self._launch(servers)
            self._prepare_database()
        else:  # the first run downloads the servers: migrate the database in the meantime
            self._prepare_database()
            self._until(install.done)
            self._launch(servers)
        for server in servers.services:
            self._wait_ready(server.child, server.answers, server.ready_seconds)
            self._console.say(f"{server.name} is up on {server.address}")

    def _launch(self, servers: EmbeddedServers) -> None:
        for server in servers.services:
            self._supervisor.start(server)

    def _prepare_database(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        self._console.say("database migrated")
        if collect_static_files():
            self._console.say("static files collected")

    def _start_feed(self) -> None:
        settings = load_environment(os.environ).cdc
        checks = DrainChecks(settings)
        for name in self._ensure_topics(settings):
            self._console.say(f"topic {name} exists")
        # Daemons are stopped in reverse order. The relay is stopped before the consumer, which can
        # then apply the last published changes.
        consume = ("consume_and_save_to_mongodb", "--instance", _INSTANCE)
        self._start_daemon("consumer", *consume, drained=checks.replica_is_current)
        self._start_daemon("relay", "relay_outbox", drained=checks.outbox_is_empty)
        self._console.say("consumer and relay started")
        self._start_daemon("jobs", "run_jobs")

    def _ensure_topics(self, settings: CdcSettings) -> list[str]:
        """Create the topics. A broker that has just started may not respond in time at first."""
        names: list[str] = []
        deadline = time.monotonic() + _TOPICS_SECONDS

        def ensured() -> bool:
            try:
                names.extend(ensure_topics(settings))
            except Retryable:
                if time.monotonic() > deadline:
                    raise
                return False
            return True

        self._until(ensured)
        return names

    def _start_daemon(
        self, name: str, *command: str, drained: Callable[[], bool] = lambda: True
    ) -> None:
        child = Child(name, self._home.logs)
        daemon = Daemon(
            child=child, argv=manage(*command), env={**self._env, **self._metrics_variable()}
        )
        self._supervisor.start(daemon, drained)

    def _metrics_variable(self) -> dict[str, str]:
        """Return METRICS_PORT for the next daemon. Daemons get consecutive ports."""
        port = self._metrics_port
        if port:
            self._metrics_port = port + 1
        return {"METRICS_PORT": str(port or 0)}

    def _start_web(self) -> None:
        daemons = self._web.daemons(self._env)
        for daemon in daemons:
            self._supervisor.start(daemon)
        self._wait_ready(daemons[0].child, self._web.answers, _WEB_SECONDS)
        self._console.say("web is up")

    def _load_demo(self) -> None:
        """Load the demo data after the pipeline has started.

        If the stories were loaded earlier, their changes would wait in the outbox, and the pages
        would show long delays.
        """
        if self._options.demo:
            self._demo = DemoLoad(self._home.logs / "load_demo.log", {**os.environ, **self._env})
            self._until(self._demo.done)
            self._console.show(self._demo.result())

    def _start_traffic(self) -> None:
        if self._options.traffic is not None and self._options.demo:
            self._start_daemon("traffic", "demo_traffic", "--rate", str(self._options.traffic))

    def _wait_ready(self, child: Child, answers: Callable[[], bool], seconds: float) -> None:
        child.wait_ready(lambda: self._stop.requested or answers(), seconds)
        if self._stop.requested:
            raise _StopRequestedError

    def _until(self, done: Callable[[], bool]) -> None:
        """Supervise the processes until `done()`. Raise _StopRequestedError after a signal."""
        while not done():
            if self._stop.requested:
                raise _StopRequestedError
            self._supervisor.check()
            time.sleep(_POLL_SECONDS)
