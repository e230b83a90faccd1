"""The export of spans is configured by OpenTelemetry's variables, and a wrong value is refused."""

import json
import subprocess
import sys

import pytest

from cdc.errors import Misconfigured
from cdc.runtime import trace_export, tracing
from cdc.runtime.trace_export import export_traces, is_wanted, not_installed
from tests.support.commands import manage
from tests.support.paths import ROOT
from tests.support.traces import printed

CONSOLE = {"OTEL_TRACES_EXPORTER": "console"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "has 'jaeger', which is not installed: use one of"),
        ({"OTEL_TRACES_EXPORTER": "console,jaeger"}, "has 'jaeger'"),
        ({"OTEL_TRACES_EXPORTER": "console,none"}, "has 'none'"),
        ({"OTEL_TRACES_EXPORTER": "console,"}, "has ''"),
        ({"OTEL_SDK_DISABLED": "yes"}, "OTEL_SDK_DISABLED is 'yes': set it to true or false."),
        (
            {"OTEL_TRACES_SAMPLER": "sometimes"},
            "OTEL_TRACES_SAMPLER is 'sometimes': set it to one",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"},
            "OTEL_TRACES_SAMPLER_ARG is '10%': set it to a number from 0 to 1.",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
            "OTEL_TRACES_SAMPLER_ARG is '1.5'",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"},
            "OTEL_TRACES_SAMPLER_ARG is 'nan'",
        ),
        (
            {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"},
            "OTEL_BSP_MAX_QUEUE_SIZE is '-1': set it to a whole",
        ),
        ({"OTEL_BSP_SCHEDULE_DELAY": "5s"}, "OTEL_BSP_SCHEDULE_DELAY is '5s'"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "9999"}, "less than or equal to max_queue_size"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'http': set it",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://a"}, "TRACES_ENDPOINT is not a URL"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team"}, "OTEL_RESOURCE_ATTRIBUTES is 'team': use name="),
        ({"OTEL_PYTHON_TRACER_PROVIDER": "mine"}, "OTEL_PYTHON_TRACER_PROVIDER is 'mine': set it"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(
    changes: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)  # the SDK reads the process's environment
    with pytest.raises(Misconfigured) as caught:
        export_traces({**CONSOLE, **changes}, "shop")
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_password_in_an_endpoint_is_not_repeated() -> None:
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": "user:secret@host"}
    with pytest.raises(Misconfigured) as caught:
        export_traces({**CONSOLE, **wrong, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "shop")
    assert "secret" not in str(caught.value)


def test_an_exporter_that_is_not_installed_is_named_with_its_package() -> None:
    if "otlp_proto_http" in {each.name for each in trace_export.installed_exporters()}:
        return
    with pytest.raises(Misconfigured, match="install opentelemetry-exporter-otlp-proto-http"):
        export_traces({"OTEL_TRACES_EXPORTER": "otlp"}, "shop")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": ""},
        {"OTEL_TRACES_EXPORTER": " NONE "},
        {**CONSOLE, "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_TRACES_EXPORTER": "jaeger", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_SAMPLER": "sometimes"},
    ],
    ids=str,
)
def test_traces_are_exported_only_on_request(environ: dict[str, str]) -> None:
    assert not is_wanted(environ)
    assert not_installed(environ) == ""
    export_traces(environ, "shop")


def test_a_missing_package_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "INSTALLED", False)
    assert "install opentelemetry-sdk, or remove the variable." in not_installed(CONSOLE)
    export_traces(CONSOLE, "shop")


@pytest.mark.slow
def test_a_command_refuses_a_wrong_value_in_one_sentence() -> None:
    """The SDK itself fails when it is imported."""
    done = manage({**CONSOLE, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}, "check")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("storyfeed: OpenTelemetry refuses its settings (OTEL_SPAN_ATTRIBUTE_COU")


PROGRAM = """
import django
django.setup()
from opentelemetry import trace
with trace.get_tracer("a program").start_as_current_span("work"):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "storyfeed"),
        ({"OTEL_SERVICE_NAME": "shop"}, "shop"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,team=a"}, "shop"),
    ],
    ids=str,
)
def test_the_last_spans_are_exported_under_the_service_s_name(
    environ: dict[str, str], name: str
) -> None:
    late = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**CONSOLE, **late, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (span,) = printed(done.stdout)
    assert span["name"] == "work"
    assert span["resource"]["attributes"]["service.name"] == name, json.dumps(span)
