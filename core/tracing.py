"""OpenTelemetry traces, where the environment names a collector; elsewhere nothing is imported, nothing done.

A request's span is the parent of the jobs that it asked for: each job's row keeps a W3C `traceparent`, since
messages are hints. `OTEL_*` variables are the SDK's own, and are read by it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_SECONDS = 2.0  # a collector that is away holds nobody up longer, and loses what it was not told
_log = structlog.get_logger()
_service = "g2l"


def name_service(name: str) -> None:
    """Say which of the service's programs this process is, unless OTEL_SERVICE_NAME does; before any span."""
    global _service
    _service = name


@cache
def provider() -> "TracerProvider | None":
    """What makes spans and sends them; None where no collector is named."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("no traces are sent: install g2l[tracing]")
        return None
    named = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or _service}
    made = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


@contextmanager
def span(name: str, *, within: str | None = None, **attributes: str | int | None) -> Iterator[str | None]:
    """A span around a block, below the one that `within` names, else below the current one.

    Yields:
        Its `traceparent`; where there are no traces, what was given as `within`.
    """
    tracer_provider = provider()
    if tracer_provider is None:
        yield within
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator, carrier = TraceContextTextMapPropagator(), dict[str, str]()
    context = None if within is None else propagator.extract({"traceparent": within})
    known = {f"g2l.{key}": value for key, value in attributes.items() if value is not None}
    with tracer_provider.get_tracer("g2l").start_as_current_span(name, context, attributes=known):
        propagator.inject(carrier)
        yield carrier.get("traceparent")


def event(name: str, **attributes: float | int | str | None) -> None:
    """Note something on the current span."""
    if provider() is not None:
        from opentelemetry.trace import get_current_span

        known = {f"g2l.{key}": value for key, value in attributes.items() if value is not None}
        get_current_span().add_event(name, known)


def flush() -> None:
    """Send what was not sent yet; for the end of a process."""
    tracer_provider = provider()
    if tracer_provider is not None:
        ending = threading.Thread(target=tracer_provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)
