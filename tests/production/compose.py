"""The tests of compose/compose.yaml: `up` as an operator runs it, then disturbances."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tests.production import images
from tests.production.engine import DOCKER, engine
from tests.production.project import ANY_CHARACTER, Project, build, project
from tests.production.shell import expect, run, say, step, wait_for
from tests.production.site import ADD_USER, Site, Traffic, wait_until_applied

OWN = ("web", "relay", "consumer", "jobs")
SERVERS = ("mysql", "kafka", "mongo")
URL = "http://127.0.0.1:8000"
_STOP_SECONDS = 10
_SHOWN = "{{.Name}}\t{{.MemUsage}}\t{{.CPUPerc}}"


def main() -> None:
    say("compose/compose.yaml")
    with engine(), tempfile.TemporaryDirectory(prefix="storyfeed-compose-") as folder:
        images.build_missing()
        with step("build the image from compose/Dockerfile"):
            build()
        with project(Path(folder), "storyfeed") as running:
            test(running)


def test(here: Project) -> None:
    """Run all steps on a project that is not started yet."""
    with step("docker-compose config"):
        here.compose("config", "--quiet")
    site = _up(here)
    _confined(here)
    _first_story(here, site)
    for service in OWN:
        _killed(here, site, service)
    for server in SERVERS:
        _restarted(here, site, server)
    _scaled(here, site)
    _rolling(here, site)
    _logs(here)
    _stopped_and_kept(here, site)


def _up(here: Project) -> Site:
    site = Site(URL)
    with step("up") as result:
        began = time.monotonic()
        here.compose("up", "--detach", "--no-build")
        for each in (*SERVERS, *OWN):
            wait_for(f"the start of {each}", partial(here.running, each))
            result(f"{each} {time.monotonic() - began:.1f} s")
    return site


def _confined(here: Project) -> None:
    with step("containers are confined"):
        for service in OWN:
            host = here.inspect(here.containers(service)[0])["HostConfig"]
            expect(host["ReadonlyRootfs"], f"{service} can write to its files")
            expect(host["CapDrop"] == ["ALL"], f"{service} has capabilities")
            expect(host["Memory"] > 0 and host["PidsLimit"] > 0, f"{service} has no limits")
            expect(host["LogConfig"]["Config"]["max-size"], f"the log of {service} grows")
            user = run([DOCKER, "exec", here.containers(service)[0], "id", "-u"]).strip()
            expect(user != "0", f"{service} runs as root")
        for tool in ("gcc", "pip"):
            path = f"command -v {tool} || ls /opt/storyfeed/bin/{tool} 2>/dev/null || true"
            found = run([DOCKER, "exec", here.containers("web")[0], "sh", "-c", path])
            expect(not found.strip(), f"the image has {found}")


def _first_story(here: Project, site: Site) -> None:
    with step("log in at http://127.0.0.1:8000/ without ALLOWED_HOSTS"):
        here.manage("shell", "-c", ADD_USER)
        site.log_in()
    with step("a story is in the three collections") as result:
        expect(site.save_story("first 1"), "the story could not be saved")
        result(wait_until_applied(["first 1"], lambda: here.titles("first")))
    with step("doctor finds nothing"):
        found = here.doctor()
        expect(not found, "\n".join(found))
    with step("memory and CPU") as result:
        names = [each for service in (*SERVERS, *OWN) for each in here.containers(service)]
        shown = run([DOCKER, "stats", "--no-stream", "--format", _SHOWN, *names])
        result("\n    " + shown.strip().replace("\n", "\n    "))


def _killed(here: Project, site: Site, service: str) -> None:
    def kill() -> str:
        before = here.restarts(service)
        here.kill(service)
        return f"restarted after {here.wait_restarted(service, before):.1f} s"

    under_traffic(here, site, f"kill -9 of {service}", kill)


def _restarted(here: Project, site: Site, server: str) -> None:
    def restart() -> str:
        here.compose("restart", server)
        seconds = wait_for(f"the restart of {server}", lambda: here.running(server))
        return f"ready after {seconds:.1f} s"

    under_traffic(here, site, f"restart of {server}", restart)


def _scaled(here: Project, site: Site) -> None:
    def scale() -> str:
        counts = {"relay": 2, "consumer": 3}
        flags = [f"--scale={service}={count}" for service, count in counts.items()]
        here.compose("up", "--detach", "--no-build", *flags)
        for service, count in counts.items():
            expect(len(here.containers(service)) == count, f"{service} was not scaled")
            wait_for(f"{count} of {service}", partial(here.running, service))
        return "running"

    under_traffic(here, site, "two relays and three consumers", scale)


def _rolling(here: Project, site: Site) -> None:
    def roll() -> str:
        for service in OWN:
            for each in here.containers(service):
                run([DOCKER, "restart", each])
                wait_for(f"the restart of {service}", partial(here.running, service))
        return "all restarted"

    under_traffic(here, site, "rolling restart", roll)


def under_traffic(here: Project, site: Site, title: str, disturb: Callable[[], str]) -> None:
    """Save stories before, during and after `disturb`, and compare the collections."""
    with step(f"{title}, under traffic") as result:
        traffic = Traffic(site, title)
        with traffic.running():
            traffic.wait_for_more(3)
            result(disturb())
            traffic.wait_for_more(3)
        if traffic.refused:
            result(f"{traffic.refused} attempts failed visibly")
        result(wait_until_applied(traffic.saved, lambda: here.titles(title)))


def ready(here: Project, services: Iterable[str]) -> None:
    for each in services:
        wait_for(f"the start of {each}", partial(here.running, each))


def _stopped_and_kept(here: Project, site: Site) -> None:
    saved = here.titles("")
    with step("stop with an open stream"), site.open_stream() as stream:
        began = time.monotonic()
        here.compose("stop", *OWN)
        seconds = time.monotonic() - began
        expect(seconds < 2 * _STOP_SECONDS, f"the stop took {seconds:.1f} s")
        while stream.read1(65_536):
            pass  # the end of the stream, without an error
        for service in OWN:
            codes = [here.inspect(each)["State"]["ExitCode"] for each in here.containers(service)]
            expect(not any(codes), f"{service} stopped with the exit codes {codes}")
    with step("down, and up with the same volumes") as result:
        here.compose("down")
        here.compose("up", "--detach", "--no-build")
        ready(here, (*SERVERS, *OWN))
        expect(here.titles("") == saved, "the collections changed")
        site.log_in()
        expect(site.save_story("again 1"), "the story could not be saved")
        result(wait_until_applied(["again 1"], lambda: here.titles("again")))
    with step("reconcile") as result:
        result(here.manage("reconcile").splitlines()[-1])


def _logs(here: Project) -> None:
    with step("every log line is JSON, and none has the password") as result:
        for service in OWN:
            lines = here.logs(service)
            for line in lines:
                expect(_is_object(line), f"{service} wrote {line!r}")
                expect(ANY_CHARACTER not in line, f"{service} wrote the password")
            result(f"{service} {len(lines)}")


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
