"""The options of the benchmark."""

import pytest

from tests.bench.options import FULL, PARTS, QUICK, parse


def test_defaults_compare_with_the_peer() -> None:
    options = parse([], None)
    assert (options.rounds, options.changes, options.rate) == (3, 50_000, 100.0)
    assert (options.against, options.rates, options.growth) == (None, None, ())


def test_revisions_have_five_rounds_unless_given() -> None:
    assert parse(["--against", "HEAD~1"], None).rounds == 5
    assert parse(["--against", "HEAD~1", "--rounds", "2"], None).rounds == 2


def test_rates_and_growth_without_values_measure_everything() -> None:
    options = parse(["--rates", "--growth"], None)
    assert options.rates == (50, 100, 200, 400, 800)
    assert options.growth == PARTS
    assert parse(["--growth", "stories,backlog"], None).growth == ("stories", "backlog")
    assert options.steps == FULL


def test_a_trial_is_small_and_keeps_given_values() -> None:
    options = parse(["--quick", "--rates", "--growth", "stories", "--changes", "7"], None)
    assert (options.rounds, options.changes, options.rates) == (1, 7, (50, 100))
    assert (options.growth, options.steps) == (("stories",), QUICK)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--against", "HEAD", "--growth"],
        ["--against", "HEAD", "--rates"],
        ["--against", "HEAD", "--stages"],
        ["--stages", "--rates"],
        ["--stages", "--growth", "stories"],
        ["--growth", "pages"],
        ["--rates", "50,0"],
        ["--rates", "fast"],
        ["--rounds", "0"],
        ["--changes", "1,2"],
    ],
)
def test_invalid_options_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments, None)


def test_help_explains_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], None)
    text = capsys.readouterr().out
    for name in (
        "--against REV",
        "--rates",
        "--growth",
        "--stages",
        "--json FILE",
        "--quick",
        "--changes",
    ):
        assert name in text
