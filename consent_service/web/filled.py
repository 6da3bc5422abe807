"""Pages that differ from one visitor to the next in a few values only: made once, with marks, and filled for each.

Making a page costs ten times as much as filling it. A value is escaped when it is filled in, and what it holds is not
looked at for marks. Contains no page and no rule.
"""

import re
from collections.abc import Callable, Hashable, Mapping

from flask import current_app, g, render_template
from flask.globals import request_ctx
from markupsafe import escape

from consent_service.language import CODES

MARK = re.compile(r"fill-3c5a-([a-z_]+)-here")  # letters that an address does not change, and that no text of ours has


def filled_page(
    template: str, own: Mapping[str, object], form: Callable[[], object] | None = None, **shared: Hashable
) -> str:
    """Return a page with one visitor's `own` values; `shared` decides what else stands in it.

    `form` makes the empty form of a page that shows one. The page's own address counts as the visitor's: it may hold a
    token.
    """
    asked = request_ctx.request
    values = {**own, "here": asked.path}
    spoken = (g.language.code, asked.args.get("lang", "") in CODES, asked.root_path)
    kind = (template, *spoken, asked.method, asked.endpoint, *shared.values(), *values)
    pages: dict[Hashable, list[str]] = current_app.extensions.setdefault("filled-pages", {})
    if kind not in pages:
        marks = {name: f"fill-3c5a-{name}-here" for name in values}
        pages[kind] = MARK.split(render_template(template, form=form and form(), **marks, **shared))
    parts = pages[kind].copy()  # every other one is the name of a value
    parts[1::2] = [escape(values[name]) for name in parts[1::2]]
    return "".join(parts)
