"""Settings: defaults, sources, and the error messages for invalid values."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.databases import database
from project.config.environment import BASE_DIR, load_environment
from project.config.mail import mail

# An invalid value of each setting, with the error message: the setting, the value, what to do.
WRONG = {
    "DJANGO_DEBUG": ("maybe", "DJANGO_DEBUG is 'maybe': set it to 'true' or 'false'."),
    "CSRF_TRUSTED_ORIGINS": (
        "a.example",
        "CSRF_TRUSTED_ORIGINS has 'a.example': add the scheme, https://a.example.",
    ),
    "DATABASE_URL": (
        "postgres://ann:hidden@db/x",
        (
            "DATABASE_URL starts with 'postgres': "
            "use mysql://user:pass@host:3306/name or sqlite:////path/to/file."
        ),
    ),
    "KAFKA_CONFIG": (
        "[1]",
        'KAFKA_CONFIG is not a JSON object: use {"setting": "value", …}.',
    ),
    "KAFKA_TOPIC": (
        "story events",
        "KAFKA_TOPIC is 'story events': use letters, digits, '.', '_' and '-'.",
    ),
    "KAFKA_PARTITIONS": ("0", "KAFKA_PARTITIONS is 0: set it to 1 or more."),
    "KAFKA_REPLICATION_FACTOR": (
        "three",
        "KAFKA_REPLICATION_FACTOR is 'three': set it to a whole number.",
    ),
    "MONGODB_URI": (
        "ann:hidden@mongo:27017",
        "MONGODB_URI starts with 'ann': use mongodb://host:27017/?replicaSet=name.",
    ),
    "MONGODB_DATABASE": ("a b", "MONGODB_DATABASE is 'a b': use letters, digits, '_', '-'."),
    "REPLICA_COLLECTIONS": (
        "a,b,a",
        "REPLICA_COLLECTIONS is 'a,b,a': name each collection once.",
    ),
    "CONSUMER_GROUP": (" ", "CONSUMER_GROUP is empty: set it to the consumer group's name."),
    "HISTORY_DAYS": ("-1", "HISTORY_DAYS is -1: set it to 0 or more."),
    "DELETE_MARKER_DAYS": ("0", "DELETE_MARKER_DAYS is 0: set it to 1 or more."),
    "MAX_EVENT_BYTES": ("10", "MAX_EVENT_BYTES is 10: set it to 1000 or more."),
    "FEED_STREAMS": ("0", "FEED_STREAMS is 0: set it to 1 or more."),
    "FEED_STREAMS_PER_ACCOUNT": ("0", "FEED_STREAMS_PER_ACCOUNT is 0: set it to 1 or more."),
    "FEED_STREAMS_PER_ADDRESS": ("-1", "FEED_STREAMS_PER_ADDRESS is -1: set it to 1 or more."),
    "EMAIL_URL": (
        "mailto:ann@a.example",
        (
            "EMAIL_URL starts with 'mailto': "
            "use smtp://user:pass@host:587, smtps://…, console:// or file:///path."
        ),
    ),
    "TRUSTED_PROXIES": (
        "10.0.0.300",
        "TRUSTED_PROXIES has '10.0.0.300': use addresses or networks such as 10.0.0.0/8.",
    ),
    "LOG_LEVEL": ("loud", "LOG_LEVEL is 'loud': set it to one of debug, info, warning, error."),
    "LOG_FORMAT": ("xml", "LOG_FORMAT is 'xml': set it to one of key-value, json."),
    "METRICS_PORT": (
        "70000",
        "METRICS_PORT is 70000: use a port from 1 to 65535, or 0 for no metrics.",
    ),
    "METRICS_TOKEN": (
        "hidden",
        "METRICS_TOKEN has 6 characters: use a random text of at least 16 characters.",
    ),
    "WEB_WORKERS": ("0", "WEB_WORKERS is 0: set it to 1 or more."),
    "DATABASE_CONNECTIONS": ("0", "DATABASE_CONNECTIONS is 0: set it to a number from 1 to 1000."),
}


def manage(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py`. Of the project's environment variables, only `variables` are set."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={**env, "STORYFEED_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def load(**variables: str) -> None:
    """Read the environment as project/settings.py does."""
    environment = load_environment(variables)
    database(environment.database_url)
    mail(environment.email_url)


@pytest.mark.parametrize("name", WRONG)
def test_invalid_setting_is_refused(name: str) -> None:
    value, sentence = WRONG[name]
    with pytest.raises(Misconfigured) as caught:
        load(**{name: value})
    assert str(caught.value) == sentence
    assert "hidden" not in sentence


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_trust_in_every_address_is_refused(network: str) -> None:
    with pytest.raises(Misconfigured, match="contains every address: every client could forge"):
        load(TRUSTED_PROXIES=f"10.0.0.0/8,{network}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DATABASE_URL", "EMAIL_URL", "KAFKA_TOPIC", "WEB_WORKERS"])
def test_invalid_setting_is_one_line_and_exit_code_2(name: str, tmp_path: Path) -> None:
    value, sentence = WRONG[name]
    done = manage(tmp_path, "check", **{name: value})
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"storyfeed: {sentence}\n")


@pytest.mark.slow
def test_missing_key_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = manage(tmp_path, "cdc_status")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "storyfeed: DJANGO_SECRET_KEY is not set: set it to a long random"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_web_process_refuses_a_missing_key(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import project.asgi"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "STORYFEED_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("storyfeed: DJANGO_SECRET_KEY is ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("check",), ("help",), ("cdc_status", "--help"), ()])
def test_commands_that_sign_nothing_need_no_key(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert manage(tmp_path, *arguments).returncode == 0


@pytest.mark.slow
def test_collectstatic_needs_no_key(tmp_path: Path) -> None:
    done = manage(tmp_path, "collectstatic", "--noinput", "--dry-run")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_unreachable_database_is_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'a.sqlite3'}"
    done = manage(tmp_path, "migrate", DATABASE_URL=url, DJANGO_SECRET_KEY="x")
    assert done.returncode == 1
    assert done.stderr.startswith("storyfeed: The database is not responding (unable to open")
    assert done.stderr.count("\n") == 1


def test_defaults(tmp_path: Path) -> None:
    environment = load_environment({"STORYFEED_HOME": str(tmp_path)})
    assert environment.database_url == f"sqlite:///{tmp_path}/storyfeed.sqlite3"
    assert environment.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert environment.debug is False
    assert environment.metrics_port is None
    assert environment.web_workers == 1
    assert environment.cdc.topic == "story-events"
    assert environment.cdc.collections == ("stories_story", "stories_story_1", "stories_story_2")
    assert environment.cdc.history_collection == "stories_history"
    assert environment.cdc.positions_collection == "storyfeed_offsets"
    assert environment.cdc.canary_collection == "storyfeed_canary"
    assert (environment.cdc.group, environment.cdc.mongodb_database) == ("storyfeed", "storyfeed")


def test_home_defaults_to_var_in_the_project() -> None:
    assert load_environment({}).home == BASE_DIR / "var"


def test_real_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("DJANGO_SECRET_KEY=remembered\nMONGODB_URI=mongodb://a/\n")
    home = {"STORYFEED_HOME": str(tmp_path)}
    assert load_environment(home).secret_key == "remembered"
    environment = load_environment({**home, "DJANGO_SECRET_KEY": "real"})
    assert environment.secret_key == "real"
    assert environment.cdc.mongodb_uri == "mongodb://a/"


def test_real_secret_file_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("MONGODB_URI=mongodb://remembered/\n")
    (tmp_path / "uri").write_text("mongodb://real/\n")
    environment = load_environment(
        {"STORYFEED_HOME": str(tmp_path), "MONGODB_URI_FILE": str(tmp_path / "uri")}
    )
    assert environment.cdc.mongodb_uri == "mongodb://real/"


@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize("name", ["KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "DJANGO_SECRET_KEY"])
def test_an_empty_variable_does_not_hide_the_env_file(
    tmp_path: Path, name: str, suffix: str
) -> None:
    """Compose passes `${NAME:-}`, which is empty if the variable is not set."""
    (tmp_path / "env").write_text(f"{name}=mongodb://remembered/\n")
    found = load_environment({"STORYFEED_HOME": str(tmp_path), f"{name}{suffix}": ""})
    values = (found.cdc.bootstrap_servers, found.cdc.mongodb_uri, found.secret_key)
    assert sorted(values) == ["", "", "mongodb://remembered/"]


def test_kafka_settings_are_a_json_object() -> None:
    environment = load_environment(
        {"KAFKA_CONFIG": '{"security.protocol": "SSL", "retries": 3, "a": true}'}
    )
    assert environment.cdc.kafka_config == {
        "security.protocol": "SSL",
        "retries": "3",
        "a": "true",
    }


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load_environment({}).debug = True  # type: ignore[misc]


def test_invalid_setting_raises() -> None:
    with pytest.raises(Misconfigured, match="WEB_WORKERS"):
        load_environment({"WEB_WORKERS": "-1"})


@pytest.mark.parametrize(
    ("value", "kind"), [('{"b": 1}', "an object"), ("[1]", "a list"), ("null", "null")]
)
def test_a_kafka_setting_is_one_value(value: str, kind: str) -> None:
    with pytest.raises(Misconfigured, match=f"KAFKA_CONFIG has {kind} as the value of 'a.b'"):
        load_environment({"KAFKA_CONFIG": f'{{"a.b": {value}}}'})


@pytest.mark.parametrize("hosts", ["*", "news.example,*", ".", "*."])
def test_every_host_is_allowed_only_for_debugging(hosts: str) -> None:
    with pytest.raises(Misconfigured, match=r"ALLOWED_HOSTS has .*, which allows every name"):
        load_environment({"ALLOWED_HOSTS": hosts})


def test_every_host_is_allowed_for_debugging() -> None:
    environment = load_environment({"ALLOWED_HOSTS": "*", "DJANGO_DEBUG": "true"})
    assert environment.allowed_hosts == ("*",)


@pytest.mark.parametrize(
    "host",
    ["https://news.example", "news.example:443", "news.example/", "*.news.example", "a b", "a@b"],
)
def test_an_allowed_host_is_a_name_alone(host: str) -> None:
    with pytest.raises(Misconfigured, match=r"ALLOWED_HOSTS has .*: use the name alone"):
        load_environment({"ALLOWED_HOSTS": host})


@pytest.mark.parametrize("host", ["news.example", ".news.example", "10.0.0.1", "[::1]", "a_b"])
def test_a_name_or_an_address_is_an_allowed_host(host: str) -> None:
    assert load_environment({"ALLOWED_HOSTS": host}).allowed_hosts == (host,)


@pytest.mark.parametrize("folder", ["hü", "a#b", "a?b", "a%23b", "a b", "a;b", "a[b"])
def test_sqlite_is_in_the_home_whatever_its_name(tmp_path: Path, folder: str) -> None:
    environment = load_environment({"STORYFEED_HOME": str(tmp_path / folder)})
    expected = str(tmp_path / folder / "storyfeed.sqlite3")
    assert database(environment.database_url)["NAME"] == expected
