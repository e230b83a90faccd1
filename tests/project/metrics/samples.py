"""Parses metrics with Prometheus's own parser."""

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[tuple[str, str], ...], float]


def samples_of(text: str) -> dict[str, Samples]:
    """Return the value of each series, by metric name and then by sorted labels."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series, f"{sample.name} has {labels} twice"
            series[labels] = sample.value
    return found
