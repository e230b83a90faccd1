"""The files for compose and systemd start what `up` starts, with settings that exist."""

import re

import pytest
import yaml

from tests.support.paths import ROOT

COMPOSE = ROOT / "compose" / "compose.yaml"
UNITS = ROOT / "compose" / "systemd"
WEB_SERVER = "-m project.web_server"


def test_compose_passes_only_settings_that_exist() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    known = set(re.findall(r"^\| `([A-Z_]+)`", reference, re.MULTILINE))
    passed = set(yaml.safe_load(COMPOSE.read_text())["x-storyfeed"]["environment"])
    assert {"DATABASE_URL", "TRUSTED_PROXIES", "EMAIL_URL"} <= passed
    assert passed - known == set()


def test_compose_and_systemd_start_the_same_web_server() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert WEB_SERVER in " ".join(services["web"]["command"])
    assert WEB_SERVER in (UNITS / "storyfeed-web.service").read_text()


@pytest.mark.parametrize("unit", ["storyfeed-web.service", "storyfeed@.service"])
def test_a_unit_restarts_except_after_a_wrong_setting(unit: str) -> None:
    lines = (UNITS / unit).read_text().splitlines()
    wanted = {"Restart=always", "StartLimitIntervalSec=0", "RestartPreventExitStatus=2"}
    assert wanted <= set(lines)
