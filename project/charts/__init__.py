"""Charts as SVG, drawn on the server.

A function such as `column_chart` returns the shapes of one chart. A template in `templates/charts/`
draws them, with the stylesheet `project/charts.css`. The shapes stretch with the page, but the
labels do not, because they are outside the stretched part. No shape needs an inline style or a
script.

All coordinates are integers, so that no locale changes them. A table with the numbers belongs
beneath each chart, because a screen reader reads only the summary of a chart.
"""
