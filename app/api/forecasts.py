"""Forecasts over HTTP: what each source would reach on a target, before any transfer."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import outcomes, paging, problems, resources
from app.accepting import accepted, submit
from app.checks.transfers import check_forecast
from app.database import ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.forecasts import ForecastOut, ForecastsScoreOut
from app.schemas.jobs import JobOut
from core.db.resources import Forecast
from core.specs.forecasts import ForecastSpec

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"])


class ForecastsQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None
    dataset_id: paging.Text | None = None


@router.post(
    "", status_code=202, response_model=JobOut, responses=problems.documented("idempotency-in-flight")
)
def create_forecast(body: ForecastSpec, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Rank candidate sources for a target; answers with the job that does it."""
    check_forecast(db, body)
    return accepted(db, keyed, submit(db, "forecast", body))


@router.get("")
def list_forecasts(
    query: Annotated[ForecastsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[ForecastOut]:
    """Forecasts, newest first."""
    rows = resources.select_page(db, Forecast, query)
    found = outcomes.of(db, [row.id for row in rows])
    return resources.render_page(
        rows, query, lambda row: outcomes.shown(row, found), request=request, response=response
    )


@router.get("/outcomes")
def get_forecast_outcomes(db: ReadDb) -> ForecastsScoreOut:
    """How all forecasts fared whose transfers were run: of each calibration, and in all."""
    return outcomes.score(db)


@router.get("/{forecast_id}", responses=problems.documented("not-found"))
def get_forecast(forecast_id: str, db: ReadDb) -> ForecastOut:
    """A forecast, and what came out where its transfers were run."""
    row = resources.get(db, Forecast, forecast_id)
    return outcomes.shown(row, outcomes.of(db, [row.id]))


@router.delete("/{forecast_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_forecast(forecast_id: str, db: WriteDb) -> None:
    """Delete a forecast."""
    resources.remove(db, Forecast, forecast_id)
