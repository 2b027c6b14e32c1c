"""Traces are off unless a collector is named, and never in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import tracing

ROOT = Path(__file__).resolve().parents[2]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNTRACED = """
import sys
import workers.celery_app as worker
worker.app.loader.import_default_modules()
import workers.run
from core import tracing
with tracing.span("anything", within=sys.argv[1]) as traceparent:
    tracing.event("something", n=1)
tracing.flush()
tracers = "opentelemetry.exporter", "opentelemetry.sdk.trace"  # redis-py imports other parts where they are
print(traceparent, [name for name in sys.modules if name.startswith(tracers)])
"""


def test_without_a_collector_nothing_is_imported_and_a_parent_is_passed_on() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environment |= {"G2L_DATABASE_URL": "postgresql:///x", "G2L_REDIS_URL": "unix:///x"}
    done = subprocess.run(
        [sys.executable, "-c", UNTRACED, TRACEPARENT],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.stdout.strip() == f"{TRACEPARENT} []"


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.2)
    tracing.provider.cache_clear()
    try:
        with tracing.span("attempt", within=TRACEPARENT, job_id="job_1", note=None) as traceparent:
            assert traceparent is not None
            assert traceparent.split("-")[1] == TRACEPARENT.split("-")[1]
            assert traceparent != TRACEPARENT
        tracing.flush()
    finally:
        tracing.provider.cache_clear()
