"""The tests of compose/cluster.yaml: each part has a spare, so the site survives each kill."""

import tempfile
import time
from functools import partial
from pathlib import Path

from tests.production import images
from tests.production.compose import ready, under_traffic
from tests.production.engine import engine
from tests.production.project import CLUSTER, Project, build, project
from tests.production.shell import expect, say, step
from tests.production.site import ADD_USER, Site, wait_until_applied

SERVERS = ("mysql", *(f"{name}-{number}" for name in ("kafka", "mongo") for number in (1, 2, 3)))
COUNTS = {"web-1": 1, "web-2": 1, "relay": 2, "consumer": 5, "jobs": 1, "nginx": 1}
KILLED = ("kafka-1", "mongo-1", "web-1", "relay", "consumer")
URL = "https://localhost:8443"


def main() -> None:
    say("compose/cluster.yaml")
    with engine(), tempfile.TemporaryDirectory(prefix="storyfeed-cluster-") as folder:
        images.build_missing()
        with step("build the image from compose/Dockerfile"):
            build()
        with project(Path(folder), "storyfeed-cluster", CLUSTER) as running:
            _test(running)


def _test(here: Project) -> None:
    with step("docker-compose config"):
        here.compose("config", "--quiet")
    with step("up") as result:
        began = time.monotonic()
        here.compose("up", "--detach", "--no-build")
        ready(here, (*SERVERS, *COUNTS))
        result(f"all ready after {time.monotonic() - began:.1f} s")
    for service, count in COUNTS.items():
        expect(len(here.containers(service)) == count, f"{service} has not {count} containers")
    site = Site(URL, here.folder / "secrets" / "ca.pem")
    with step("log in through nginx, and a story is in the three collections") as result:
        here.manage("shell", "-c", ADD_USER)
        site.log_in()
        expect(site.save_story("cluster 1"), "the story could not be saved")
        result(wait_until_applied(["cluster 1"], partial(here.titles, "cluster")))
    with step("doctor finds nothing"):
        found = here.doctor()
        expect(not found, "\n".join(found))
    for service in KILLED:
        under_traffic(here, site, f"kill -9 of {service}", partial(_kill, here, service))


def _kill(here: Project, service: str) -> str:
    before = here.restarts(service)
    here.kill(service)
    return f"restarted after {here.wait_restarted(service, before):.1f} s"
