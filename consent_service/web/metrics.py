"""Numbers for Prometheus: how requests went, counted here, and what the database says of everything else.

In production read by whoever brings the token, by nobody without one: an age to the second tells a stranger whether
the address they just typed has a mail due. Paths never become labels, only the rules they match. A scrape writes
nothing.
"""

import hmac
import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, current_app, g, request
from flask.globals import request_ctx
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, exposition, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from consent_service import service as services
from consent_service.config import Settings
from consent_service.limits.rate_limit import answers
from consent_service.service import Service
from consent_service.watch import gauges
from consent_service.web.visitor import service

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
METHODS = ("GET", "HEAD", "POST", "OPTIONS")

metrics = Blueprint("metrics", __name__)


@metrics.get("/metrics")
def show() -> Response:
    """All numbers in Prometheus' text format; for anybody who may not read them there is no such page."""
    if not _may_read(service().settings):
        abort(404)
    registry = CollectorRegistry(auto_describe=False)
    if _are_shared():
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(current_app.extensions["requests"])
    registry.register(_Database(service()))
    registry.register(_Limits(service().settings.redis_url))
    return Response(exposition.generate_latest(registry), content_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)


def _may_read(settings: Settings) -> bool:
    """Whoever brings the token; where none is set everybody in development, and nobody in production."""
    if not settings.metrics_token:
        return settings.is_development
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {settings.metrics_token}".encode())


def count_requests(app: Flask) -> None:
    """Count the application's requests from now on, and how long each took."""
    # As it is set now, not when the library was loaded.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
    disable_created_metrics()  # type: ignore[no-untyped-call]
    took = Histogram(
        "consent_http_request_seconds",
        "How long requests took, by the rule their path matches.",
        ("rule", "method", "status"),
        registry=None,
        buckets=BUCKETS_S,
    )
    app.extensions["requests"] = took

    @app.after_request
    def count(response: Response) -> Response:
        asked, now = request_ctx.request, time.monotonic()
        rule = asked.url_rule.rule if asked.url_rule else "unknown"
        method = asked.method if asked.method in METHODS else "other"
        took.labels(rule, method, response.status_code).observe(now - g.get("started_at", now))
        return response


class _Database(Collector):
    """What the database says, and whether it says anything."""

    def __init__(self, current: Service):
        self._service = current

    def collect(self) -> Iterator[Metric]:
        try:
            with self._service.reading() as connection:
                found = [*gauges.measure(connection, services.now(), forwards=self._service.forwards)]
        except SQLAlchemyError:
            found = []
        yield GaugeMetricFamily("consent_database_up", "1 when the database answers.", value=bool(found))
        for gauge in found:
            family = CounterMetricFamily if gauge.is_total else GaugeMetricFamily
            metric = family(gauge.name, gauge.says, labels=gauge.labels)
            for labels, value in gauge.values.items():
                metric.add_metric(labels, value)
            yield metric


class _Limits(Collector):
    """Whether the processes can count networks together."""

    def __init__(self, store_url: str):
        self._store_url = store_url

    def collect(self) -> Iterator[Metric]:
        if self._store_url:
            says, is_up = "1 when Redis answers; if not, each process counts networks alone.", answers(self._store_url)
            yield GaugeMetricFamily("consent_rate_limit_store_up", says, value=is_up)


def _are_shared() -> bool:
    """Whether several processes count into files of one folder."""
    return values.ValueClass is not values.MutexValue
