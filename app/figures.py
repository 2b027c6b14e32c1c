"""What Prometheus is told of the work: read from the rows when it asks, so that replicas say the same."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from sqlalchemy import func, select, text, union_all

from app.database import ReadSession
from core.db.jobs import Job, Outbox, Worker
from core.db.resources import RESOURCE_TABLES
from core.jobs.states import STATES
from core.settings import get_settings

_QUEUE_NAMES = ("cpu", "gpu")
# How long each stage of the jobs that ended within the last hour took: from its event to the next one.
_STAGES = text("""
SELECT kind, stage, sum(seconds) AS seconds, count(*) AS n FROM (
    SELECT jobs.kind, events.data->>'stage' AS stage, events.type,
           extract(epoch FROM lead(events.created_at) OVER (PARTITION BY jobs.id ORDER BY events.seq)
                              - events.created_at) AS seconds
    FROM job_events AS events JOIN jobs ON jobs.id = events.job_id
    WHERE jobs.finished_at > now() - interval '1 hour' AND events.type IN ('stage', 'state')
) AS timed
WHERE type = 'stage' AND seconds IS NOT NULL
GROUP BY kind, stage
""")


def collect(db: ReadSession) -> Iterator[Metric]:
    """All families, each measured now."""
    yield _jobs(db)
    yield from _queues(db)
    yield _durations(db)
    yield _stages(db)
    yield _pace(db)
    yield from _trouble(db)
    yield _workers(db)


def _jobs(db: ReadSession) -> Metric:
    family = GaugeMetricFamily("g2l_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    rows = db.execute(select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state))
    counts = {(kind, state): n for kind, state, n in rows}
    for kind in sorted({kind for kind, _ in counts}):
        for state in STATES:
            family.add_metric([kind, state], counts.get((kind, state), 0))
    return family


def _queues(db: ReadSession) -> Iterator[Metric]:
    depth = GaugeMetricFamily("g2l_queue_jobs", "Jobs that wait for a worker.", labels=["queue"])
    age = GaugeMetricFamily(
        "g2l_queue_oldest_seconds", "How long the one that waits longest has waited.", labels=["queue"]
    )
    waited = func.extract("epoch", func.now() - func.min(Job.queued_at))
    rows = db.execute(
        select(Job.queue, func.count(), waited).where(Job.state == "queued").group_by(Job.queue)
    )
    waiting = {queue: (n, seconds) for queue, n, seconds in rows}
    for queue in _QUEUE_NAMES:
        n, seconds = waiting.get(queue, (0, 0))
        depth.add_metric([queue], n)
        age.add_metric([queue], float(seconds))
    yield depth
    yield age
    unsent = db.scalar(select(func.count()).select_from(Outbox))
    yield GaugeMetricFamily(
        "g2l_outbox_messages", "Messages that the broker has not got yet.", value=unsent or 0
    )


def _durations(db: ReadSession) -> Metric:
    family = SummaryMetricFamily(
        "g2l_job_seconds", "From a job's first start to its end.", labels=["kind", "state"]
    )
    taken = func.extract("epoch", Job.finished_at - Job.started_at)
    ended = (
        select(Job.kind, Job.state, func.count(), func.sum(taken))
        .where(Job.finished_at.is_not(None), Job.started_at.is_not(None))
        .group_by(Job.kind, Job.state)
    )
    for kind, state, n, seconds in db.execute(ended):
        family.add_metric([kind, state], count_value=n, sum_value=float(seconds))
    return family


def _stages(db: ReadSession) -> Metric:
    family = GaugeMetricFamily(
        "g2l_stage_mean_seconds",
        "Mean time in a stage, of jobs that ended in the last hour.",
        labels=["kind", "stage"],
    )
    for kind, stage, seconds, n in db.execute(_STAGES):
        family.add_metric([kind, stage], float(seconds) / n)
    return family


def _pace(db: ReadSession) -> Metric:
    family = GaugeMetricFamily(
        "g2l_images_per_second",
        "Mean speed of the longest stage, of what was made in the last hour.",
        labels=["kind"],
    )
    made = union_all(
        *(
            select(Job.kind, table.images_per_second.label("pace"))
            .join(Job, Job.id == table.job_id)
            .where(table.created_at > func.now() - timedelta(hours=1))
            for table in RESOURCE_TABLES.values()
        )
    ).subquery()
    mean = func.avg(made.c.pace)
    for kind, pace in db.execute(select(made.c.kind, mean).group_by(made.c.kind).having(mean.is_not(None))):
        family.add_metric([kind], pace)
    return family


def _trouble(db: ReadSession) -> Iterator[Metric]:
    attempts = CounterMetricFamily("g2l_job_attempts", "Times that a worker took a job.", labels=["kind"])
    crashes = CounterMetricFamily(
        "g2l_job_crashes",
        "Attempts that lost their worker, of jobs since they were last retried.",
        labels=["kind"],
    )
    rows = db.execute(select(Job.kind, func.sum(Job.attempt), func.sum(Job.crashes)).group_by(Job.kind))
    for kind, taken, lost in rows:
        attempts.add_metric([kind], taken)
        crashes.add_metric([kind], lost)
    yield attempts
    yield crashes


def _workers(db: ReadSession) -> Metric:
    family = GaugeMetricFamily("g2l_workers", "Live workers that serve a queue.", labels=["queue"])
    silence = func.extract("epoch", func.now() - Worker.beat_at)
    alive = [
        queues
        for queues, silent in db.execute(select(Worker.queues, silence))
        if silent < get_settings().lease_seconds
    ]
    for queue in _QUEUE_NAMES:
        family.add_metric([queue], sum(queue in queues for queues in alive))
    return family
