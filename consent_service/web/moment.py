"""The page of a moment: a form that has to cost something while unusually many are sent, on its way.

Its script solves the task and sends the form on; where none runs, whoever sent it waits half a minute and presses a
button. Everything that was written goes along. Nothing has gone wrong. Contains no rule.
"""

from typing import Any

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from consent_service import service as services
from consent_service.web import policy
from consent_service.web.rendered import RenderedForm
from consent_service.web.visitor import service


def count(form: RenderedForm, *kinds: str) -> str | None:
    """Count a form, as each of the kinds it is, and return the proof it came with, which is not used up yet.

    That is "" when it has to cost nothing, and None when it has to and no proof came.
    """
    if not service().proof_of_work.count_form(*kinds):
        return ""
    return service().proof_of_work.read(str(form["proof"].data or ""), services.now())


def page(form: RenderedForm, endpoint: str) -> ResponseReturnValue:
    """What somebody gets whose form needs a proof: a task for their browser, and half a minute's wait for any other."""
    work, now, proof = service().proof_of_work, services.now(), str(form["proof"].data or "")
    is_early = work.is_early(proof, now)
    how: dict[str, Any] = {"is_early": is_early, "proof": proof if is_early else service().tokens.for_waiting()}
    fields = {name: text for name, text in _written(form).items() if text}
    answer = Response(
        render_template("public/moment.html", fields=fields, endpoint=endpoint, task=work.task(now), **how)
    )
    answer.headers["Content-Security-Policy"] = policy.WITH_SCRIPT
    return answer


def _written(form: RenderedForm) -> dict[str, str]:
    """What was sent, field by field, as it came; `again` is no field, but says which button was pressed."""
    names = [*(field.name for field in form if field.name != "proof"), "again"]
    return {name: request.form.get(name, "") for name in names}
