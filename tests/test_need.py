"""The script that installs missing Debian packages, with a stand-in for each of its programs."""

import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def need(folder: Path, *packages: str, installed: str, offered: str, user: int = 0) -> str:
    """Return what `.ci/need` prints, and the package that it passes to apt-get."""
    programs = {
        "dpkg-query": f'[ "$3" = {installed} ] && printf "install ok installed"',
        "apt-cache": f'[ "$2" = {offered} ]',
        "apt-get": f'[ "$1" = update ] || echo "$@" > {folder}/got',
        "id": f"echo {user}",
    }
    for name, script in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "need", *packages],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    got = folder / "got"
    return done.stdout + done.stderr + (got.read_text() if got.exists() else "")


@pytest.mark.parametrize("installed", ["small", "large"])
def test_one_of_two_packages_is_enough(tmp_path: Path, installed: str) -> None:
    assert need(tmp_path, "small|large", installed=installed, offered="small") == ""


@pytest.mark.parametrize(("offered", "chosen"), [("small", "small"), ("none", "large")])
def test_the_first_that_is_offered_is_installed(tmp_path: Path, offered: str, chosen: str) -> None:
    said = need(tmp_path, "small|large", "tool", installed="none", offered=offered)
    assert f"installing {chosen} tool" in said
    assert said.splitlines()[-1].endswith(f"--no-install-recommends {chosen} tool")


def test_a_user_who_is_not_root_gets_one_command(tmp_path: Path) -> None:
    said = need(tmp_path, "small|large", "tool", installed="none", offered="small", user=1000)
    assert said.endswith("run: sudo apt-get install small tool\n")
