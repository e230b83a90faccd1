"""The environment variables, read once into a frozen, validated object."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured
from project.config.envfile import read_env_file
from project.config.urls import with_password
from project.config.variables import Variables

BASE_DIR = Path(__file__).resolve().parents[2]
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("key-value", "json")
_MIN_TOKEN_LENGTH = 16
_MOST_CONNECTIONS = 1_000
_HOST = re.compile(r"\*|\.?[^\s:/?#@*\[\]]+|\[[0-9A-Fa-f:.]+\]")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Every setting of a deployment."""

    home: Path
    """The folder of the embedded profile's data, the collected static files, and the lock files
    that reserve the names of consumers."""
    secret_key: str = field(repr=False)
    """The key that signs sessions and links; `up` generates a key. A few commands, such as `check`
    and `collectstatic`, also work without a key."""
    debug: bool
    """Enables Django's debug pages; do not enable them on a public host."""
    allowed_hosts: tuple[str, ...]
    """The host names under which the site can be reached, separated by commas; `*` is allowed only
    for debugging."""
    csrf_trusted_origins: tuple[str, ...]
    """The origins that may post forms, each with its scheme (`https://news.example`), separated by
    commas. With TLS, links in e-mails have a port only if one of these origins has that port."""
    database_url: str = field(repr=False)
    """The database. For MySQL and MariaDB, write `mysql://user:password@host:3306/name`."""
    database_password: str = field(repr=False)
    """The password for the database, which replaces the one in `DATABASE_URL`. It may contain any
    character, and needs no percent-encoding."""
    mongodb_password: str = field(repr=False)
    """The password for MongoDB, which replaces the one in `MONGODB_URI`. It may contain any
    character, and needs no percent-encoding."""
    email_url: str = field(repr=False)
    """The mail server, such as `smtp://user:password@host:587/?tls=True`."""
    default_from_email: str
    """The sender address of all mail."""
    trusted_proxies: tuple[str, ...]
    """The networks of trusted proxies, separated by commas. Only the forwarding headers of these
    proxies are used."""
    log_level: str
    """The lowest level that is logged: `debug`, `info`, `warning` or `error`."""
    log_format: str
    """The format of log records: `key-value` or `json`. All times are in UTC."""
    metrics_port: int | None
    """The loopback port on which a daemon serves its own `/metrics`; 0 disables these metrics. If
    `up` starts the daemons, the consumer uses this port, the relay the next port, and the jobs the
    port after that."""
    metrics_token: str = field(repr=False)
    """The bearer token with which clients on other machines can read `/metrics`; at least 16
    characters."""
    web_workers: int
    """The number of web processes that `up` starts."""
    database_connections: int
    """The number of pages that a web process prepares at once, each with its own connection to the
    database. Further requests wait, and get status 503 after 5 s."""
    cdc: CdcSettings

    def __post_init__(self) -> None:
        _require_one_of("LOG_LEVEL", self.log_level, _LOG_LEVELS)
        _require_one_of("LOG_FORMAT", self.log_format, _LOG_FORMATS)
        if self.web_workers < 1:
            raise Misconfigured(f"WEB_WORKERS is {self.web_workers}: set it to 1 or more.")
        if not 1 <= self.database_connections <= _MOST_CONNECTIONS:
            raise Misconfigured(
                f"DATABASE_CONNECTIONS is {self.database_connections}: "
                f"set it to a number from 1 to {_MOST_CONNECTIONS}."
            )
        if 0 < len(self.metrics_token) < _MIN_TOKEN_LENGTH:
            # The token is a secret, so the message contains only its length.
            raise Misconfigured(
                f"METRICS_TOKEN has {len(self.metrics_token)} characters: "
                f"use a random text of at least {_MIN_TOKEN_LENGTH} characters."
            )
        for host in self.allowed_hosts:
            _require_host(host, debug=self.debug)
        for origin in self.csrf_trusted_origins:
            _require_scheme("CSRF_TRUSTED_ORIGINS", origin)
        for proxy in self.trusted_proxies:
            _require_network("TRUSTED_PROXIES", proxy)

    @property
    def on_loopback(self) -> bool:
        """Whether all allowed hosts are loopback names. If they are, the site needs no TLS."""
        return all(host in LOOPBACK or host.endswith(".localhost") for host in self.allowed_hosts)


def load_environment(real: Mapping[str, str]) -> Environment:
    """Return the settings in `real` and in `$STORYFEED_HOME/env`; `real` takes precedence.

    An empty variable counts as unset, so it does not hide the one in the file. Raise
    Misconfigured for the first invalid value.
    """
    real = {name: value for name, value in real.items() if value}
    home = Path(real.get("STORYFEED_HOME") or BASE_DIR / "var").absolute()
    variables = Variables({**_remembered(home, real), **real})
    return Environment(
        home=home,
        secret_key=variables.text("DJANGO_SECRET_KEY"),
        debug=variables.flag("DJANGO_DEBUG"),
        allowed_hosts=variables.names("ALLOWED_HOSTS", LOOPBACK),
        csrf_trusted_origins=variables.names("CSRF_TRUSTED_ORIGINS"),
        database_url=with_password(
            "DATABASE_URL",
            variables.text("DATABASE_URL", _sqlite_url(home / "storyfeed.sqlite3")),
            variables.text("DATABASE_PASSWORD"),
        ),
        database_password=variables.text("DATABASE_PASSWORD"),
        mongodb_password=variables.text("MONGODB_PASSWORD"),
        email_url=variables.text("EMAIL_URL", "console://"),
        default_from_email=variables.text("DEFAULT_FROM_EMAIL", "storyfeed@localhost"),
        trusted_proxies=variables.names("TRUSTED_PROXIES"),
        log_level=variables.text("LOG_LEVEL", "info").lower(),
        log_format=variables.text("LOG_FORMAT", "key-value").lower(),
        metrics_port=_port(variables.number("METRICS_PORT", 0)),
        metrics_token=variables.text("METRICS_TOKEN"),
        web_workers=variables.number("WEB_WORKERS", 1),
        database_connections=variables.number("DATABASE_CONNECTIONS", 20),
        cdc=_cdc(variables, home),
    )


def _remembered(home: Path, real: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in the env file, except those that `real` sets as NAME_FILE."""
    remembered = read_env_file(home / "env")
    return {name: value for name, value in remembered.items() if f"{name}_FILE" not in real}


def _cdc(variables: Variables, home: Path) -> CdcSettings:
    plain = CdcSettings(
        topic="story-events",
        group="storyfeed",
        mongodb_database="storyfeed",
        collections=("stories_story", "stories_story_1", "stories_story_2"),
        connector="storyfeed",
        client_name="storyfeed",
        history_collection="stories_history",
        positions_collection="storyfeed_offsets",
        canary_collection="storyfeed_canary",
        schema_dir=BASE_DIR / "docs" / "schema",
    )
    return CdcSettings(
        bootstrap_servers=variables.text("KAFKA_BOOTSTRAP_SERVERS"),
        kafka_config=_kafka_config(variables.text("KAFKA_CONFIG")),
        topic=variables.text("KAFKA_TOPIC", plain.topic),
        partitions=variables.number("KAFKA_PARTITIONS", plain.partitions),
        replication_factor=variables.number("KAFKA_REPLICATION_FACTOR", plain.replication_factor),
        mongodb_uri=_mongodb_uri(variables.text("MONGODB_URI"), variables.text("MONGODB_PASSWORD")),
        mongodb_database=variables.text("MONGODB_DATABASE", plain.mongodb_database),
        collections=variables.names("REPLICA_COLLECTIONS", plain.collections),
        group=variables.text("CONSUMER_GROUP", plain.group),
        connector=plain.connector,
        client_name=plain.client_name,
        history_collection=plain.history_collection,
        positions_collection=plain.positions_collection,
        canary_collection=plain.canary_collection,
        history_days=variables.number("HISTORY_DAYS", plain.history_days),
        delete_marker_days=variables.number("DELETE_MARKER_DAYS", plain.delete_marker_days),
        max_event_bytes=variables.number("MAX_EVENT_BYTES", plain.max_event_bytes),
        feed_streams=variables.number("FEED_STREAMS", plain.feed_streams),
        feed_streams_per_account=variables.number(
            "FEED_STREAMS_PER_ACCOUNT", plain.feed_streams_per_account
        ),
        feed_streams_per_address=variables.number(
            "FEED_STREAMS_PER_ADDRESS", plain.feed_streams_per_address
        ),
        home=home,
        schema_dir=plain.schema_dir,
    )


def _kafka_config(text: str) -> dict[str, str]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        # The value may contain a password, so the message does not repeat the value.
        raise Misconfigured('KAFKA_CONFIG is not a JSON object: use {"setting": "value", …}.')
    return {name: _kafka_setting(name, setting) for name, setting in value.items()}


def _kafka_setting(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        kind = {"dict": "an object", "list": "a list"}.get(type(value).__name__, "null")
        raise Misconfigured(
            f"KAFKA_CONFIG has {kind} as the value of {name!r}: use a string, a number, true or "
            "false."
        )
    return str(value)


def _sqlite_url(path: Path) -> str:
    # A path may contain characters with a special meaning in URLs, such as `#`.
    return f"sqlite:///{quote(str(path))}"


def _require_host(host: str, *, debug: bool) -> None:
    if host.strip(".") in {"*", ""} and not debug:
        raise Misconfigured(
            f"ALLOWED_HOSTS has {host!r}, which allows every name: links in e-mails could lead to "
            "an attacker's site, so name the hosts of this site."
        )
    if not _HOST.fullmatch(host):
        raise Misconfigured(
            f"ALLOWED_HOSTS has {host!r}: use the name alone, without a scheme, a port or a path."
        )


def _port(number: int) -> int | None:
    if not 0 <= number <= 65_535:  # noqa: PLR2004 -- the range of a TCP port
        raise Misconfigured(
            f"METRICS_PORT is {number}: use a port from 1 to 65535, or 0 for no metrics."
        )
    return number or None


def _require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise Misconfigured(f"{name} is {value!r}: set it to one of {', '.join(allowed)}.")


def _require_scheme(name: str, value: str) -> None:
    if not value.startswith(("http://", "https://")):
        raise Misconfigured(f"{name} has {value!r}: add the scheme, https://{value}.")


def _mongodb_uri(value: str, password: str) -> str:
    if value and not value.startswith(("mongodb://", "mongodb+srv://")):
        # The URI may contain a password, so the message repeats only the scheme.
        raise Misconfigured(
            f"MONGODB_URI starts with {value.partition(':')[0]!r}: "
            "use mongodb://host:27017/?replicaSet=name."
        )
    return with_password("MONGODB_URI", value, password)


def _require_network(name: str, value: str) -> None:
    try:
        network = ip_network(value)
    except ValueError:
        raise Misconfigured(
            f"{name} has {value!r}: use addresses or networks such as 10.0.0.0/8."
        ) from None
    if network.prefixlen == 0:
        raise Misconfigured(
            f"{name} has {value!r}, which contains every address: every client could forge its "
            "address, so name the networks of the proxies."
        )
