"""The tests of compose/systemd: the installation page to the letter, then the units."""

import json
import re
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.production.machine import Machine, machine
from tests.production.servers import PASSWORD, Servers, servers
from tests.production.shell import expect, run, say, step, wait_for
from tests.production.site import ADD_USER, Site, wait_until_applied
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "install-systemd.md"
RELAY, CONSUMER = "storyfeed@relay_outbox", "storyfeed-consumer@1"
UNITS = ("storyfeed-web", RELAY, CONSUMER, "storyfeed@run_jobs")
URL = "http://127.0.0.1:8000"
MOST_EXPOSED = 1.5
_WATCHDOG_SECONDS = 60
# One attempt may take over 40 s if MongoDB is suspended: two time-outs of 20 s, and the database's.
_SUSPENDED_SECONDS = 130
_STOP_SECONDS = 10


def main() -> None:
    say("compose/systemd")
    with tempfile.TemporaryDirectory(prefix="storyfeed-systemd-") as name:
        folder = Path(name)
        with servers(folder / "servers") as started, machine(folder) as booted:
            _install(booted, started)
            _test(booted, started)


def _install(booted: Machine, started: Servers) -> None:
    archive = booted.root / "root" / "storyfeed.tar"
    run(["git", "archive", "--output", archive, "HEAD"], cwd=ROOT)
    for title, commands in _chapters().items():
        with step(f"docs/install-systemd.md: {title}"):
            for each in commands:
                # Root has this umask on hardened machines.
                booted.run(f"umask 077\n{each}", seconds=1200)
            if title.startswith("2"):
                _write_settings(booted, started)


def _chapters() -> dict[str, list[str]]:
    """Return the commands of each numbered section of the page."""
    parts = re.split(r"^## (\d\. .*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {title: re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for title, text in found}


def _write_settings(booted: Machine, started: Servers) -> None:
    """Write the page's settings with the addresses of the test's servers."""
    found = re.search(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = found[1].splitlines() if found else []
    settings = dict(line.split("=", 1) for line in lines)
    # The tests use plain HTTP, which is for loopback names only.
    settings |= {**started.settings(), "ALLOWED_HOSTS": "127.0.0.1"}
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    (booted.root / "etc/storyfeed/env").write_text(text)
    (booted.root / "etc/storyfeed/secrets/database_password").write_text(PASSWORD)


def _test(booted: Machine, started: Servers) -> None:
    _started(booted)
    site = Site(URL)
    with step("log in, and a story is in the three collections") as result:
        booted.run(f'storyfeed-manage shell -c "{ADD_USER}"')
        site.log_in()
        expect(site.save_story("unit 1"), "the story could not be saved")
        result(wait_until_applied(["unit 1"], partial(started.titles, "unit")))
    _exposure(booted)
    _killed(booted)
    _journal(booted)  # before a hung process prints the traceback of its threads
    _watchdog(booted, started)
    _stopped(booted, started)
    _waiting_start(booted, started)
    _wrong_setting(booted)


def _started(booted: Machine) -> None:
    with step("start-up times and memory") as result:
        for unit in UNITS:
            began = int(booted.show(unit, "InactiveExitTimestampMonotonic"))
            ready = int(booted.show(unit, "ActiveEnterTimestampMonotonic"))
            pid = booted.show(unit, "MainPID")
            status = booted.run(f"cat /proc/{pid}/status")
            memory = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) // 1024
            result(f"{unit} {(ready - began) / 1e6:.1f} s, {memory} MB")


def _exposure(booted: Machine) -> None:
    with step("systemd-analyze security") as result:
        for unit in (*UNITS, "storyfeed-migrate"):
            report = booted.run(f"systemd-analyze security --no-pager {unit}.service")
            level = float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", report)[0])
            expect(level <= MOST_EXPOSED, f"{unit} has the exposure level {level}")
            result(f"{unit} {level}")


def _killed(booted: Machine) -> None:
    with step("kill -9 of each unit, eight times"):
        for number in range(1, 9):
            for unit in UNITS:
                booted.run(f"systemctl kill --signal=KILL {unit}")
            for unit in UNITS:
                wait_for(f"restart {number} of {unit}", partial(_restarts, booted, unit, number))


def _restarts(booted: Machine, unit: str, number: int) -> bool:
    count = int(booted.show(unit, "NRestarts"))
    return count >= number and booted.show(unit, "ActiveState") == "active"


def _watchdog(booted: Machine, started: Servers) -> None:
    # A query of `run_jobs` can take longer, so its unit keeps the usual limit.
    _override(booted, f"WatchdogSec={_WATCHDOG_SECONDS}", UNITS[:3])
    booted.run("systemctl restart storyfeed.target")
    with step("a unit that waits for its servers is not restarted") as result:
        with started.suspended(*started.all):
            time.sleep(_SUSPENDED_SECONDS)
        for unit in UNITS:
            count = booted.show(unit, "NRestarts")
            expect(count == "0", f"{unit} was restarted {count} times")
        result(f"servers suspended for {_SUSPENDED_SECONDS} s, watchdog {_WATCHDOG_SECONDS} s")
    _override(booted, f"WatchdogSec={_WATCHDOG_SECONDS}")
    booted.run("systemctl restart storyfeed.target")
    with step("a hung process is restarted") as result:
        for unit in UNITS:
            booted.run(f"systemctl kill --signal=STOP --kill-whom=main {unit}")
        for unit in UNITS:
            seconds = wait_for(f"the restart of {unit}", partial(_restarts, booted, unit, 1))
            result(f"{unit} {seconds:.0f} s")
            expect(any("Watchdog" in line for line in booted.journal(unit)), "no watchdog")


def _override(booted: Machine, setting: str, units: tuple[str, ...] = UNITS) -> None:
    for unit in units:
        folder = booted.root / f"etc/systemd/system/{unit}.service.d"
        folder.mkdir(exist_ok=True)
        (folder / "test.conf").write_text(f"[Service]\n{setting}\n")
    booted.run("systemctl daemon-reload")


def _stopped(booted: Machine, started: Servers) -> None:
    with step("stop while the servers are suspended, with an open stream") as result:
        site = Site(URL)
        site.log_in()
        with site.open_stream(), started.suspended(*started.all):
            began = time.monotonic()
            booted.run("systemctl stop storyfeed.target")
            wait_for("the stop", lambda: all(_inactive(booted, unit) for unit in UNITS))
            seconds = time.monotonic() - began
        expect(seconds < _STOP_SECONDS, f"the stop took {seconds:.1f} s")
        for unit in UNITS:
            outcome = booted.show(unit, "Result")
            expect(outcome == "success", f"{unit} stopped with {outcome}")
        result("all succeeded")


def _inactive(booted: Machine, unit: str) -> bool:
    return booted.show(unit, "ActiveState") in {"inactive", "failed"}


def _waiting_start(booted: Machine, started: Servers) -> None:
    _override(booted, "TimeoutStartSec=15")
    with step("a start waits for Kafka, longer than its time limit"):
        with started.suspended(started.kafka):
            booted.run(f"systemctl start --no-block {RELAY} {CONSUMER}")
            time.sleep(40)
            for unit in (RELAY, CONSUMER):
                state = booted.show(unit, "ActiveState"), booted.show(unit, "NRestarts")
                expect(state == ("activating", "0"), f"{unit} is {state}")
        for unit in (RELAY, CONSUMER):
            wait_for(f"the start of {unit}", partial(_restarts, booted, unit, 0))


def _wrong_setting(booted: Machine) -> None:
    with step("a unit with a wrong setting stays down") as result:
        path = booted.root / "etc/storyfeed/env"
        before = path.read_text()
        path.write_text(f"{before}KAFKA_TOPIC=story events\n")
        for unit in UNITS:
            booted.attempt(f"systemctl restart {unit}")
            wait_for(f"the end of {unit}", partial(_inactive, booted, unit))
        time.sleep(3)  # longer than RestartSec
        for unit in UNITS:
            state = booted.show(unit, "ActiveState"), booted.show(unit, "ExecMainStatus")
            expect(state == ("failed", "2"), f"{unit} is {state}")
            sentences = [line for line in booted.journal(unit) if "KAFKA_TOPIC is" in line]
            expect(len(sentences) == 1, f"{unit} wrote {sentences}")
        result(sentences[0])
        path.write_text(before)
        booted.run(f"systemctl start {' '.join(UNITS)}")


def _journal(booted: Machine) -> None:
    with step("the journal is JSON, and does not have the password") as result:
        for unit in UNITS:
            lines = booted.run(f"journalctl -q -o json -u {unit} _SYSTEMD_UNIT={unit}.service")
            messages = [json.loads(line)["MESSAGE"] for line in lines.splitlines()]
            odd = [text for text in messages if not str(text).startswith("{")]
            expect(PASSWORD not in str(messages), f"{unit} wrote the password")
            result(f"{unit} {len(messages)} lines, {len(odd)} of them other text")
            expect(not odd, f"{unit} wrote {odd[:5]}")
