"""Charts of the first page: drawn here as SVG in the company's colours, shown as pictures, told as tables beside them.

A chart holds no script; its style is its own, and the picture's policy lets it have one. Contains no rule.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pygal
from flask import Blueprint, Response, abort, g
from flask.typing import ResponseReturnValue
from pygal.style import Style
from sqlalchemy import Connection

from consent_service.language import mark
from consent_service.look import design
from consent_service.watch import weeks
from consent_service.watch.weeks import Point
from consent_service.web.pages import picture
from consent_service.web.visitor import service

# pygal looks for its maps in a way that Python gave up; left in place it would be asked for every missing module.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "PluginImportFixer"]

charts = Blueprint("charts", __name__, url_prefix="/charts")

WEEKS = 26  # half a year
WIDTH, HEIGHT, LETTERS = 400, 200, 14
NUMBER, SHARE = "number", "share"
STEPS = (1, 2, 4, 10)
NO_PICTURE = re.compile(
    r"(?s)<script.*?</script>|<!--.*?-->"
)  # settings for a script that is not there, and who drew it
SHEET = """
text { fill: var(--quiet); }
.axis.x text { text-anchor: middle; }
.axis.y text { text-anchor: end; }
.guide.line, .axis .line { stroke: var(--line); fill: none; }
.series .line { stroke: var(--strong); stroke-width: 3; fill: none; }
.series .rect { fill: var(--strong); }
.series .dot { fill: var(--strong); }
.background, .tooltip, desc, title { fill: none; }
"""


@dataclass(frozen=True)
class Chart:
    """What a chart shows of each week, None where there is nothing to show, and how."""

    name: str
    title: str
    value: Callable[[Point], int | None]
    kind: str = NUMBER
    is_line: bool = False


CHARTS = (
    Chart("subscribers", mark("Subscribers"), lambda point: point.active, is_line=True),
    Chart("sign-ups", mark("Asked for the newsletter"), lambda point: point.week.asked),
    Chart("confirmed", mark("Share that confirmed"), lambda point: _share(point), SHARE, is_line=True),
    Chart("stopped", mark("Stopped the newsletter"), lambda point: point.week.stopped),
)
BY_NAME = {chart.name: chart for chart in CHARTS}


@charts.get("/<name>.svg")
def show(name: str) -> ResponseReturnValue:
    """One chart as a picture."""
    chart = BY_NAME.get(name) or abort(404)
    with service().reading() as connection:
        points = course(connection)
    response: Response = picture(draw(chart, points), "image/svg+xml")
    return response


def course(connection: Connection) -> Sequence[Point]:
    """The weeks that the charts show."""
    return weeks.course(connection, WEEKS)


def draw(chart: Chart, points: Sequence[Point]) -> str:
    """A chart as SVG."""
    values = [chart.value(point) for point in points]
    labels = [g.language.day(point.week.first) for point in points]
    top = 100 if chart.kind == SHARE else ceiling(max((value or 0 for value in values), default=0))
    drawing = (pygal.Line if chart.is_line else pygal.Bar)(
        width=WIDTH,
        height=HEIGHT,
        margin=10,
        margin_right=44,
        style=Style(font_family="system-ui, sans-serif", label_font_size=LETTERS, major_label_font_size=LETTERS),
        js=[],
        css=[f"inline:{design.sheet(service().controller.accent)}{SHEET}"],
        disable_xml_declaration=True,
        show_legend=False,
        show_dots=sum(value is not None for value in values) < 3,
        allow_interruptions=True,
        print_values=False,
        range=(0, top),
        x_labels_major=[*labels[:1], *labels[-1:]],
        show_minor_x_labels=False,
        truncate_label=-1,
        value_formatter=lambda value: written(chart, round(value)),
    )
    drawing.x_labels = labels
    drawing.y_labels = [0, top / 2, top] if top % 2 == 0 else [0, top]
    drawing.add(g.language.say(chart.title), values)
    return NO_PICTURE.sub("", drawing.render(is_unicode=True))


def written(chart: Chart, value: int | None) -> str:
    """A value as it is read."""
    if value is None:
        return "–"
    return g.language.share(value, 100) if chart.kind == SHARE else f"{value:,}".replace(",", "\xa0")


@cache
def ceiling(value: int) -> int:
    """The next round number that is not smaller."""
    power = 1
    while True:
        for step in STEPS:
            if step * power >= value:
                return step * power
        power *= 10


def _share(point: Point) -> int | None:
    return round(100 * point.week.confirmed / point.week.asked) if point.week.asked else None
