"""Is the process alive, is the service whole, and what do its numbers say."""

import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric, generate_latest
from pydantic import BaseModel
from sqlalchemy import func, select

from app import figures, problems
from app.database import ReadDb
from core.artifacts import open_store
from core.db.jobs import Worker
from core.db.session import transaction
from core.queue import waiting
from core.settings import get_settings

router = APIRouter(tags=["health"])


class AliveOut(BaseModel):
    """The process answers."""

    status: str = "ok"


class CheckOut(BaseModel):
    """One part of the service."""

    ok: bool
    detail: str


class ReadyOut(BaseModel):
    """Every part of the service."""

    status: str
    checks: dict[str, CheckOut]


@router.get("/healthz")
async def healthz() -> AliveOut:
    """The process is alive."""
    return AliveOut()


@router.get("/readyz", responses=problems.documented("not-ready"), response_model=ReadyOut)
def readyz(request: Request) -> Response:
    """Database, broker, store and at least one worker are there."""
    checks = {
        "database": _checked(_database),
        "broker": _checked(_broker),
        "store": _checked(_store),
        "workers": _checked(_workers),
    }
    missing = [name for name, check in checks.items() if not check.ok]
    if not missing:
        return Response(
            ReadyOut(status="ready", checks=checks).model_dump_json(), media_type="application/json"
        )
    body = problems.problem("not-ready", f"Not there: {', '.join(missing)}.", instance=request.url.path)
    body |= {"checks": {name: check.model_dump() for name, check in checks.items()}}
    return problems.response(body, {"Retry-After": "1"})


@router.get("/metrics", response_class=Response)
def metrics(db: ReadDb) -> Response:
    """Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Once(figures.collect(db)))
    text = generate_latest(REGISTRY) + generate_latest(registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


class _Once:
    """Families that are measured in this request's transaction."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """What was measured."""
        return self._families


def _checked(check: Callable[[], str]) -> CheckOut:
    try:
        return CheckOut(ok=True, detail=check())
    except Exception as error:
        return CheckOut(
            ok=False, detail=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )


def _database() -> str:
    with transaction() as session:
        session.execute(select(1))
    return "answers"


def _broker() -> str:
    return f"{waiting('cpu') + waiting('gpu')} messages wait"


def _store() -> str:
    store = open_store(get_settings())
    with tempfile.TemporaryFile(dir=store.root) as file:
        file.write(b"ready")
    if store.bucket is not None:
        store.bucket.check()
    return "can be written"


def _workers() -> str:
    alive = func.now() - timedelta(seconds=get_settings().lease_seconds)
    with transaction() as session:
        n = session.scalar(select(func.count()).select_from(Worker).where(Worker.beat_at > alive)) or 0
    if not n:
        raise RuntimeError(
            "no worker has beaten lately; start one with `g2l serve`, or the worker's own command"
        )
    return f"{n} alive"
