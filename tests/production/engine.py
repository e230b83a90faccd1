"""A separate Docker engine, which changes neither the firewall nor `ip_forward`."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.cache import cache_folder
from tests.production.shell import attempt, wait_for

# From Debian's packages docker.io and docker-compose. A newer `docker` command lacks the builder.
DOCKER = "/usr/bin/docker"
COMPOSE = "docker-compose"
# Node.js runs mongosh in the image that stands in for MongoDB's.
_PACKAGES = "Debian's packages docker.io, docker-compose, nodejs and npm"


def missing() -> str:
    """Return what the engine lacks on this machine; an empty string if it lacks nothing."""
    if os.geteuid() != 0:
        return "a separate Docker engine needs root"
    for program in ("dockerd", "containerd", DOCKER, COMPOSE, "node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is missing ({_PACKAGES})"
    if not Path("/sys/fs/cgroup").is_mount():
        return "no cgroups are mounted at /sys/fs/cgroup"
    return ""


@contextmanager
def engine() -> Iterator[None]:
    """Run dockerd, and let this process's programs use it. Images are kept in the cache folder."""
    kept = cache_folder() / "production" / "docker"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="storyfeed-docker-") as name:
        folder = Path(name)
        os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        os.environ["DOCKER_CONFIG"] = str(folder / "client")
        os.environ["DOCKER_BUILDKIT"] = "1"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                _command(folder, kept), stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_for("dockerd's start", lambda: attempt([DOCKER, "info"]).returncode == 0, 60)
            yield
        finally:
            process.terminate()
            process.wait(60)


def _command(folder: Path, kept: Path) -> list[str]:
    return [
        *("dockerd", "--host", f"unix://{folder}/docker.sock", "--pidfile", str(folder / "pid")),
        *("--exec-root", str(folder / "exec"), "--data-root", str(kept)),
        *("--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs"),
        *("--mtu", "1400", "--iptables=false", "--ip-forward=false", "--bridge=none"),
    ]
