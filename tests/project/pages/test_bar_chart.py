"""Bar charts. The bar of the largest value has the full height."""

from project.pages.bar_chart import bar_chart


def test_bars_are_scaled_to_the_largest() -> None:
    chart = bar_chart([1.0, 4.0], height=40, step=4, gap=1)
    assert [(bar.x, bar.y, bar.height) for bar in chart.bars] == [(0, 30, 10), (4, 0, 40)]
    assert (chart.width, chart.bar_width) == (8, 3)


def test_zeros_have_no_height() -> None:
    assert [bar.height for bar in bar_chart([0, 0], height=40, step=4, gap=1).bars] == [0, 0]
    assert bar_chart([], height=40, step=4, gap=1).bars == ()
