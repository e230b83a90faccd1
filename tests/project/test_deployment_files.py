"""The files for compose and systemd start what `up` starts, with settings that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import uvicorn
import yaml

from project.config.environment import load_environment
from project.http.client_connection import SECONDS, Phase
from project.web_server import options
from tests.support.paths import ROOT

COMPOSE = ROOT / "compose" / "compose.yaml"
CLUSTER = ROOT / "compose" / "cluster.yaml"
UNITS = ROOT / "compose" / "systemd"
DAEMONS = ("storyfeed-web.service", "storyfeed@.service", "storyfeed-consumer@.service")
WEB_SERVER = "-m project.web_server"


@pytest.mark.parametrize("file", [COMPOSE, CLUSTER])
def test_compose_passes_only_settings_that_exist(file: Path) -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    known = set(re.findall(r"^\| `([A-Z_]+)`", reference, re.MULTILINE))
    passed = set(yaml.safe_load(file.read_text())["x-storyfeed"]["environment"])
    assert {"DATABASE_URL", "TRUSTED_PROXIES", "EMAIL_URL_FILE"} <= passed
    assert {name.removesuffix("_FILE") for name in passed} - known == set()


def test_compose_and_systemd_start_the_same_web_server() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert WEB_SERVER in " ".join(services["web"]["command"])
    assert WEB_SERVER in (UNITS / "storyfeed-web.service").read_text()


@pytest.mark.parametrize("file", [COMPOSE, CLUSTER])
def test_compose_builds_one_image_and_confines_every_service(file: Path) -> None:
    services = yaml.safe_load(file.read_text())["services"]
    own = {name: each for name, each in services.items() if each["image"] == "storyfeed"}
    assert [name for name, each in own.items() if "build" in each] == ["migrate"]
    for each in own.values():
        assert each["read_only"]
        assert each["cap_drop"] == ["ALL"]
        assert each["depends_on"]
    for each in services.values():
        assert each["logging"]["options"]["max-size"]
        assert each["mem_limit"]
        assert each["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("file", [COMPOSE, CLUSTER])
def test_images_have_exact_versions(file: Path) -> None:
    services = yaml.safe_load(file.read_text())["services"]
    bases = re.findall(r"^FROM (\S+)", (ROOT / "compose" / "Dockerfile").read_text(), re.MULTILINE)
    images = {each["image"] for each in services.values()} - {"storyfeed"}
    for image in {*bases, *images}:
        assert re.search(r":\d+\.\d+\.\d+", image), image


@pytest.mark.parametrize(("file", "count"), [(COMPOSE, 4), (CLUSTER, 5)])
def test_no_secret_is_in_the_environment(file: Path, count: int) -> None:
    values = yaml.safe_load(file.read_text())["x-storyfeed"]["environment"]
    secret = {name for name in values if re.search("KEY|PASSWORD|TOKEN|EMAIL_URL", name)}
    assert len(secret) == count
    assert all(name.endswith("_FILE") for name in secret)


def test_the_image_does_not_depend_on_the_modes_of_the_checkout() -> None:
    stage = (ROOT / "compose" / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    *_, copies, rest = stage.partition("COPY docs/schema docs/schema\n")
    assert copies
    assert "COPY" not in rest
    assert "chmod -R u=rwX,go=rX . " in rest.partition("compileall")[0]


def test_the_containers_can_read_what_they_mount(tmp_path: Path) -> None:
    """The checkout may be closed to other users, and some servers do not run as root."""
    folder = tmp_path / "compose"
    shutil.copytree(ROOT / "compose", folder, ignore=shutil.ignore_patterns("env", "secrets"))
    subprocess.run(["chmod", "-R", "go=", folder], check=True)
    subprocess.run([folder / "make-secrets"], check=True, stdin=subprocess.DEVNULL)
    mounts = {
        volume.partition(":")[0]
        for file in (COMPOSE, CLUSTER)
        for service in yaml.safe_load(file.read_text())["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    }
    assert len(mounts) == 3
    for mount in mounts:
        assert (folder / mount).stat().st_mode & 0o044 == 0o044, mount
    assert folder.joinpath("secrets").stat().st_mode & 0o777 == 0o700
    assert (folder / "secrets" / "metrics_token").stat().st_mode & 0o044 == 0o044


def test_the_user_of_the_units_can_read_what_root_installs() -> None:
    page = (ROOT / "docs" / "install-systemd.md").read_text()
    (block,) = (
        each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "-m venv" in each
    )
    commands = block.splitlines()
    assert commands[0] == "umask 022"


def test_nginx_closes_unused_connections_before_the_web_server_does() -> None:
    conf = (ROOT / "compose" / "nginx" / "storyfeed.conf").read_text()
    (seconds,) = re.findall(r"^    keepalive_timeout (\d+)s;", conf, re.MULTILINE)
    server = uvicorn.Config(**options(load_environment({})))
    assert int(seconds) < min(server.timeout_keep_alive, SECONDS[Phase.HEAD])


@pytest.mark.parametrize("unit", DAEMONS)
def test_a_unit_restarts_except_after_a_wrong_setting(unit: str) -> None:
    lines = (UNITS / unit).read_text().splitlines()
    wanted = {"Restart=always", "StartLimitIntervalSec=0", "RestartPreventExitStatus=2"}
    assert wanted <= set(lines)
    assert {"Type=notify", "WatchdogSec=180", "PartOf=storyfeed.target"} <= set(lines)


def test_all_units_are_confined_in_the_same_way() -> None:
    def confinement(unit: str) -> str:
        text = (UNITS / unit).read_text()
        return text[text.index("# The processes need") :].partition("\n\n")[0].strip()

    found = {confinement(unit) for unit in (*DAEMONS, "storyfeed-migrate.service")}
    assert len(found) == 1
    assert "CapabilityBoundingSet=\n" in found.pop()


def test_every_process_limits_the_arenas_of_glibc() -> None:
    """With an arena for each of its threads, the memory of the web server grows for hours."""
    setting = "MALLOC_ARENA_MAX=2"
    for unit in UNITS.glob("*.service"):
        assert setting in unit.read_text(), unit.name
    assert setting in (ROOT / "compose" / "Dockerfile").read_text()
