"""A minimal Debian with a booted systemd. It shares only the network with this machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from project.stack.cache import build_once, cache_folder
from tests.production.images import RELEASE, settle
from tests.production.shell import Failed, attempt, run, wait_for

_PACKAGES = (
    "systemd,systemd-sysv,dbus,ca-certificates,python3-venv,python3-dev,gcc,libc6-dev,"
    "libmariadb-dev,pkg-config"
)
"""The compiler is included only to save its download in each run."""
_POWER_OFF = "RTMIN+4"
_NAME = "storyfeed-test"
_GROUPS = Path("/sys/fs/cgroup")


def missing() -> str:
    """Return what this machine lacks to boot a Debian; an empty string if it lacks nothing."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    for program in ("debootstrap", "unshare", "nsenter"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            return f"{program} is missing"
    if not (_GROUPS / "systemd").is_dir():
        return "there are no control groups of version 1 with systemd's hierarchy"
    return ""


class Machine:
    """A booted machine, in which commands can be run."""

    def __init__(self, root: Path, init: int) -> None:
        self.root = root
        self._enter = ["nsenter", "-t", str(init), "-m", "-u", "-i", "-p", "-C", "-r", "-w"]

    def run(self, command: str, seconds: float = 600) -> str:
        """Run a shell command. Raise Failed if a part of it fails."""
        return run(self._command(command), seconds=seconds)

    def attempt(self, command: str) -> "subprocess.CompletedProcess[str]":
        return attempt(self._command(command), seconds=600)

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit, as `systemctl show` names it."""
        return self.run(f"systemctl show --value --property={name} {unit}").strip()

    def journal(self, unit: str) -> list[str]:
        """Return the messages of a unit since the boot."""
        return self.run(f"journalctl --quiet --output=cat --unit={unit}").splitlines()

    def _command(self, command: str) -> list[str]:
        return [*self._enter, "/bin/bash", "-euo", "pipefail", "-c", command]


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Boot a fresh copy of the tree. `folder` holds what the machine writes."""
    base = cache_folder() / "production" / "machine"
    base.parent.mkdir(exist_ok=True)
    build_once(base, _debootstrap)
    root = folder / "root"
    for name in ("root", "upper", "work"):
        (folder / name).mkdir()
    layers = f"lowerdir={base},upperdir={folder}/upper,workdir={folder}/work"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, root])
    try:
        with _booted(root) as booted:
            yield booted
    finally:
        run(["umount", root])


@contextmanager
def _booted(root: Path) -> Iterator[Machine]:
    boot = Path(__file__).with_name("boot.sh")
    process = subprocess.Popen(["bash", boot, root, _NAME], start_new_session=True)
    try:
        wait_for("the boot", lambda: _init(process.pid) and process.poll() is None, 60)
        booted = Machine(root, _init(process.pid))
        wait_for("systemd's start", lambda: _is_up(booted), 60)
        yield booted
    finally:
        if init := _init(process.pid):
            run(["kill", "-s", _POWER_OFF, str(init)])
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()  # all its processes end with it
            process.wait()
        _remove_groups()


def _init(parent: int) -> int:
    """Return the process id of the machine's systemd as seen from outside, or 0."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    with suppress(OSError, ValueError, IndexError):
        child = int(children.read_text().split()[0])
        if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
            return child
    return 0


def _is_up(booted: Machine) -> bool:
    done = booted.attempt("systemctl is-system-running --wait || true")
    if done.stdout.strip() == "degraded":
        failed = booted.run("systemctl --failed --plain --no-legend")
        raise Failed(f"units failed during the boot: {failed}")
    return done.stdout.strip() == "running"


def _remove_groups() -> None:
    for top in _GROUPS.glob(f"*/{_NAME}"):
        for each in sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                each.rmdir()
        with suppress(OSError):
            top.rmdir()


def _debootstrap(folder: Path) -> None:
    run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASE, folder])
    settle(folder)
