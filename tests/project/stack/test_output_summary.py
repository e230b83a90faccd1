"""The line of a program's output that an error message quotes."""

import pytest

from project.stack.output_summary import summary_line


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T00:00:00,000 ERROR KafkaServer: disk",
        "2026-01-01T00:00:00.0Z 0 [ERROR] [MY-010119] [Server] Aborting",
        '{"t":{},"s":"F",  "c":"CONTROL", "msg":"disk"}',
        'Exception in thread "main" ConfigException: disk',
        "E: Failed getting release file",
    ],
)
def test_the_first_error_is_selected(line: str) -> None:
    assert summary_line(f"before\n{line}\n\tat Main.java\n ERROR so\nbye\n\n") == line


def test_the_last_line_is_selected_without_an_error() -> None:
    assert summary_line("one\ntwo\n \n") == "two"


def test_empty_output() -> None:
    assert summary_line(" \n") == "no output"


def test_a_long_line_is_truncated() -> None:
    assert len(summary_line("x" * 1000)) == 300
