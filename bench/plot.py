"""The CPU of one double opt-in as a picture: every program on every database, by process."""

import re

from pygal import Config, HorizontalStackedBar
from pygal.style import Style

from bench.rounds import Figures

ROLES = ("web", "relay", "database")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
STYLE = Style(
    background="white", plot_background="white", colors=("#1f6f8b", "#e0912f", "#8a8f98"), font_family="sans-serif"
)


def cpu(results: Figures) -> str:
    """The picture as SVG, with no script in it and nothing that loads from elsewhere."""
    bars = [(kind, name) for kind, found in results["dopt"].items() for name in found["programs"]]
    bars.reverse()  # drawn from the bottom
    settings = Config(
        js=[],
        no_prefix=True,
        style=STYLE,
        width=800,
        height=120 + 36 * len(bars),
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
    )
    chart = HorizontalStackedBar(settings)
    chart.title = "CPU milliseconds of one complete double opt-in"
    chart.x_labels = [f"{name}, {NAMES[kind]}" for kind, name in bars]
    for role in ROLES:
        taken = [results["dopt"][kind]["programs"][name]["cpu_ms_by_process"].get(role, 0) for kind, name in bars]
        chart.add(role, [round(ms, 2) for ms in taken])
    picture = str(chart.render(is_unicode=True, pretty_print=True))
    return re.sub(r"(?s)<script.*?</script>", "", picture) + "\n"
