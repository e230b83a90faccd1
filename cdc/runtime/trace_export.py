"""Configures the export of OpenTelemetry's spans from its standard environment variables.

The SDK ignores most invalid values with a warning. Here they are errors, as for all other settings.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from cdc.errors import Misconfigured
from cdc.runtime import telemetry, tracing
from cdc.runtime.threads import attempt

EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"
_SAMPLER, _SAMPLER_ARG = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
_NAME, _RESOURCE = "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"
_PROVIDER, _DELAY = "OTEL_PYTHON_TRACER_PROVIDER", "OTEL_BSP_SCHEDULE_DELAY"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NUMBERS = (
    *(_DELAY, "OTEL_BSP_EXPORT_TIMEOUT"),
    *("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
)
_RATIOS = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS = (
    *("always_on", "always_off", "parentbased_always_on", "parentbased_always_off"),
    *_RATIOS,
)
_EXPORTERS, _PROVIDERS = "opentelemetry_traces_exporter", "opentelemetry_tracer_provider"
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_PACKAGE = "install opentelemetry-exporter-otlp-proto-http"
_DELAY_MS = 1000
"""The time between two exports. A killed process loses the spans that ended since its last export.
"""
_log = logging.getLogger(__name__)


def export_traces(environ: Mapping[str, str], service: str) -> None:
    """Export spans as `environ` specifies; `service` is the service's name if `environ` has none.

    Do nothing if no exporter is named, or if the application has a provider of its own. If
    OpenTelemetry is not installed, log a warning. Raise Misconfigured for an invalid value.
    """
    if environ.get(_PROVIDER) and _is_installed():
        _require_provider(environ)
    if not is_wanted(environ):
        return
    if reason := not_installed(environ):
        telemetry.log(_log, logging.WARNING, telemetry.TRACES_OFF, reason=reason)
        return
    _require_valid(environ)
    exporters = [_exporter(name.strip(), environ) for name in environ[EXPORTER].split(",")]
    named = environ.get(_NAME) or "service.name=" in environ.get(_RESOURCE, "")
    delay = None if environ.get(_DELAY) else _DELAY_MS

    def start() -> None:
        sdk = import_module("cdc.runtime.trace_provider")
        sdk.start(exporters, "" if named else service, delay)

    error = attempt("traces", start, expected=(Exception,))
    if error is not None:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise Misconfigured(
            f"OpenTelemetry refuses its settings ({reason}): correct the variables OTEL_…, or "
            f"remove {EXPORTER}."
        )


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether `environ` names an exporter; raise Misconfigured if `DISABLED` is invalid."""
    disabled = environ.get(DISABLED, "").strip().lower()
    if disabled not in {"", "true", "false"}:
        raise Misconfigured(f"{DISABLED} is {environ[DISABLED]!r}: set it to true or false.")
    named = environ.get(EXPORTER, "").strip()
    return disabled != "true" and named.lower() not in {"", "none"}


def not_installed(environ: Mapping[str, str]) -> str:
    """Return an error message if `environ` names an exporter but OpenTelemetry is missing."""
    if _is_installed() or not is_wanted(environ):
        return ""
    return (
        f"{EXPORTER} is {environ[EXPORTER]!r}, but OpenTelemetry is not installed, so there are no "
        "traces: install opentelemetry-sdk, or remove the variable."
    )


def installed_exporters() -> Iterable[EntryPoint]:
    """Return the exporters of all installed packages."""
    return entry_points(group=_EXPORTERS)


def _is_installed() -> bool:
    try:
        return tracing.INSTALLED and find_spec("opentelemetry.sdk") is not None
    except ImportError:
        return False


def _require_provider(environ: Mapping[str, str]) -> None:
    known = sorted(point.name for point in entry_points(group=_PROVIDERS))
    if environ[_PROVIDER] not in known:
        raise Misconfigured(
            f"{_PROVIDER} is {environ[_PROVIDER]!r}: set it to {' or '.join(known)}, or remove it."
        )


def _exporter(name: str, environ: Mapping[str, str]) -> EntryPoint:
    installed = {point.name: point for point in installed_exporters()}
    candidates = list(_otlp(environ)) if name == "otlp" else [name]
    for candidate in candidates:
        if candidate in installed:
            return installed[candidate]
    known = ", ".join(sorted({*(each.partition("_proto_")[0] for each in installed), "none"}))
    remedy = _PACKAGE if name.startswith("otlp") else f"use one of {known}"
    raise Misconfigured(f"{EXPORTER} has {name!r}, which is not installed: {remedy}.")


def _otlp(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the exporter for the protocol in `environ`, or all exporters if none is set."""
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "").strip()
    yield from [_OTLP[protocol]] if protocol else _OTLP.values()


def _require_valid(environ: Mapping[str, str]) -> None:
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    for name in _PROTOCOLS:
        _require(name, given, given.get(name) in {None, *_OTLP}, f"set it to {' or '.join(_OTLP)}")
    plain = _OTLP["grpc"] in _otlp(environ)
    for name in _ENDPOINTS:
        if not _is_endpoint(given.get(name), plain=plain):
            # The value may contain a password, so the message does not repeat it.
            raise Misconfigured(f"{name} is not a URL: use a URL such as http://host:4318.")
    for name in _NUMBERS:
        number = given.get(name, "1")
        valid = number.isascii() and number.isdigit() and int(number) > 0
        _require(name, given, valid, "set it to a whole number above 0")
    sampler = given.get(_SAMPLER, _SAMPLERS[0]).lower()
    _require(_SAMPLER, given, sampler in _SAMPLERS, f"set it to one of {', '.join(_SAMPLERS)}")
    if sampler in _RATIOS:
        ratio = given.get(_SAMPLER_ARG, "1")
        _require(_SAMPLER_ARG, given, _is_ratio(ratio), "set it to a number from 0 to 1")
    pairs = given.get(_RESOURCE, "a=b").rstrip(",").split(",")
    _require(_RESOURCE, given, all("=" in pair for pair in pairs), "use name=value,name=value")


def _require(name: str, given: Mapping[str, str], valid: bool, remedy: str) -> None:
    if not valid:
        raise Misconfigured(f"{name} is {given[name]!r}: {remedy}.")


def _is_endpoint(value: str | None, *, plain: bool) -> bool:
    """Return whether an exporter accepts the value; the gRPC exporter also accepts host:port."""
    if value is None:
        return True
    scheme, separator, rest = value.partition("://")
    return bool(rest and scheme in {"http", "https"}) if separator else plain and ":" in value


def _is_ratio(value: str) -> bool:
    try:
        return 0 <= float(value) <= 1
    except ValueError:
        return False
