"""The report job: the last step of a study. Its transfers in, figures and a page out."""

import dataclasses
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import Study
from core.ids import new_id
from core.jobs.study_grid import Grid
from core.jobs.study_plan import grid_of
from core.specs.studies import REPORT_FILE, TRANSFERS_FILE, ReportSpec
from g2l.studies.comparison import differences, mean_accuracies
from g2l.studies.page import page
from workers import studies
from workers.active import ActiveJob, load
from workers.patience import patiently
from workers.products import Made, Product
from workers.study_content import content_of, missing_cells


def run(job: ActiveJob[ReportSpec]) -> Product:
    """Sum up what was measured."""
    parent = load(Job, job.spec.study_job_id)
    grid = patiently(lambda session: grid_of(session, parent))
    rows = patiently(lambda session: studies.measured(session, grid))
    job.enter("comparing")
    runs = studies.runs(rows)
    means = mean_accuracies(runs)
    baseline = grid.spec.baseline_name
    ahead = differences(runs, baseline) if any(run.source == baseline for run in runs) else []
    job.enter("forecasting")
    outcomes, scores = studies.outcomes(rows), studies.forecast_scores(rows)
    job.enter("saving")
    with job.staging() as folder:
        (folder / "study").mkdir()
        pq.write_table(studies.table(rows), folder / "study" / TRANSFERS_FILE, compression="zstd")
        content = content_of(job, grid, rows, means=means, ahead=ahead, outcomes=outcomes, scores=scores)
        (folder / "study" / REPORT_FILE).write_text(page(content), encoding="utf-8")
        published = job.store.publish(folder / "study")
    missing = missing_cells(grid)
    row = Study(
        id=new_id("std"),
        name=grid.spec.name,
        job_id=parent.id,
        spec=parent.spec,
        complete=not missing,
        n_transfers=len(rows),
        baseline=baseline,
        results={
            "sources": _sources(grid),
            "table": [dataclasses.asdict(mean) for mean in means],
            "differences": [dataclasses.asdict(row) for row in ahead],
            "forecasts": [dataclasses.asdict(outcome) for outcome in outcomes],
            "missing": missing,
        },
        artifact=published.digest,
    )
    uses = [row.transfer.id for row in rows]
    return Product(Made(row, [published], uses), also=[lambda session: _replace(session, row)])


def _replace(session: Session, row: Study) -> None:
    """A study has one report: an earlier one, of fewer transfers, goes."""
    session.execute(delete(Study).where(Study.job_id == row.job_id, Study.id != row.id))


def _sources(grid: Grid) -> list[dict[str, Any]]:
    methods = {cell.source: cell.method for cell in grid.cells}
    return [
        {
            "name": source.name,
            "method": methods.get(source.name, source.method or grid.spec.transfer.method),
            "models": [
                dataclasses.asdict(training) | {"model_id": model_id}
                for training, model_id in grid.models[source.name].items()
            ],
            "labeling_ids": grid.labelings[source.name],
        }
        for source in grid.spec.sources
    ]
