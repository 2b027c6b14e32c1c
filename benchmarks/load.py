"""What the service bears over HTTP: python -m benchmarks.load [--seconds N] [--short].

A service of its own on loopback (API, PostgreSQL, Redis, one worker). Locust asks for one thing after the
other, at rates that double until fewer than nine in ten requests that are due are answered. Then 200
listeners hear one job's events, and jobs are polled during eight downloads of 1 GiB. What each kind of
process used says where it bends.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx

from benchmarks import processes
from benchmarks.load_scene import LARGE, SMALL, Scene, scene
from benchmarks.machine import describe

LISTENERS, DOWNLOADS = 200, 8
POLLS = 50  # a second, beside listeners and downloads
ENOUGH = 0.9  # of the rate that was asked for; below it, the service is at its end
USED = ("API", "PostgreSQL", "worker", "locust", "others")
COLUMNS = ("what", "asked /s", "answered /s", "p50, ms", "p99, ms", "errors", *USED, "API, ms each")


@dataclass(frozen=True)
class Ask:
    """A user of `benchmarks.load_users`, the first of the rates, and how often a client asks in a second."""

    user: str
    rate: int
    pace: float = 5.0
    what: str = ""


ASKS = (
    Ask("Poll", 50, what="`GET /v1/jobs/{id}`"),
    Ask("List", 25, what="`GET /v1/jobs`, a page of 50"),
    Ask("Events", 25, what="`GET /v1/jobs/{id}/events` of a job that is over"),
    Ask("Wait", 50, pace=0.5, what="`GET /v1/jobs/{id}?wait=1`, nothing changes"),
    Ask("Download", 25, what=f"`GET /v1/models/{{id}}/weights`, {SMALL >> 20} MiB"),
    Ask("Submit", 25, what="`POST /v1/datasets`, keyed"),
)


@dataclass(frozen=True)
class Answers:
    """What locust counted, and the cores that were at work meanwhile."""

    per_second: float
    p50: float
    p99: float
    errors: Counter[str] = field(default_factory=Counter)
    cores: Mapping[str, float] = field(default_factory=dict)

    def row(self, what: str, rate: int) -> str:
        """A line of the table."""
        cells = [what, rate, f"{self.per_second:.0f}", f"{self.p50:.0f}", f"{self.p99:.0f}"]
        cells += [self.errors.total(), *(f"{self.cores.get(name, 0.0):.2f}" for name in USED)]
        cells.append(f"{1000 * self.cores['API'] / self.per_second:.1f}" if self.per_second else "")
        return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Run all, or a little of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="that each rate is kept up")
    parser.add_argument("--short", action="store_true", help="one rate of each, a second long, smaller files")
    given = parser.parse_args()
    print(f"{describe()}, load before {os.getloadavg()[0]:.1f}\n", flush=True)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="g2l-load-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's account passes through
        with scene(Path(folder)) as there:
            seconds = 1.0 if given.short else given.seconds
            rising_rates(there, seconds, steps=1 if given.short else 8)
            print(flush=True)
            asyncio.run(listeners(there, 20 if given.short else LISTENERS, seconds))
            downloads(there, there.small if given.short else there.large, seconds)


def rising_rates(there: Scene, seconds: float, steps: int) -> None:
    """A row for each rate, from the first on, until the service no longer keeps up."""
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    trouble: Counter[str] = Counter()
    for ask in ASKS:
        with there.a_job_that_waits() if ask.user == "Wait" else nullcontext() as waiting:
            for step in range(steps):
                rate = ask.rate << step
                answers = drive(there, ask, rate, seconds, waiting=waiting)
                print(answers.row(ask.what, rate), flush=True)
                trouble += answers.errors
                if answers.per_second < ENOUGH * rate:
                    break
        there.clear()
    for error, count in trouble.most_common():
        print(f"\n{count} times: {error}", flush=True)


def drive(there: Scene, ask: Ask, rate: int, seconds: float, *, waiting: str | None = None) -> Answers:
    """Keep a rate up, and count."""
    users = max(1, round(rate / ask.pace))
    things = {
        "finished": there.finished,
        "waiting": waiting,
        "model": there.small,
        "uri": there.uri,
        "pace": rate / users,
    }
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("load_users.py")), ask.user]
    command += ["--headless", "--host", there.url, "-u", str(users), "-r", str(users)]
    command += ["-t", f"{max(1, round(seconds))}s", "--stop-timeout", "10"]
    command += ["--only-summary", "--loglevel", "CRITICAL", "--exit-code-on-error", "0"]
    env = {**os.environ, "G2L_LOAD": json.dumps(things)}
    samples = []
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as locust:
        while locust.poll() is None:
            samples.append(_sample(there.pid, locust.pid))
            time.sleep(0.5)
        printed = locust.communicate()[0]
    if locust.returncode != 0:
        raise SystemExit(f"locust ended with {locust.returncode}")
    said = json.loads(printed.splitlines()[-1])
    late = [each for each in samples if each.at > samples[-1].at - seconds]  # not while locust starts
    return Answers(**said | {"errors": Counter(said["errors"])}, cores=_cores(late))


@dataclass(frozen=True)
class Sample:
    """Seconds of processor time until a moment."""

    at: float
    used: Counter[str]


def _sample(*roots: int) -> Sample:
    used: Counter[str] = sum((processes.cpu_seconds(root) for root in roots), Counter())
    used["others"] = processes.busy_seconds() - used.total()  # type: ignore[assignment]
    return Sample(time.monotonic(), used)


def _cores(samples: list[Sample]) -> dict[str, float]:
    first, last = samples[0], samples[-1]
    span = max(last.at - first.at, 1e-9)
    return {name: (last.used[name] - first.used[name]) / span for name in last.used}


async def listeners(there: Scene, count: int, seconds: float) -> None:
    """Have many hear one job; each must hear every event."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=there.url, timeout=None, limits=limits) as client:  # noqa: S113
        with there.a_job_that_waits() as job:
            first = asyncio.Barrier(count + 1)
            hearing = [asyncio.create_task(_hear(client, job, first)) for _ in range(count)]
            await first.wait()
            beside = await asyncio.to_thread(drive, there, ASKS[0], POLLS, seconds)
            held = _held(there)
            spent = -processes.cpu_seconds(there.pid)["API"]
        heard = await asyncio.gather(*hearing)
        spent += processes.cpu_seconds(there.pid)["API"]
    numbers = {tuple(each) for each in heard}
    if len(numbers) != 1:
        raise SystemExit(f"listeners heard different events: {numbers}")
    (events,) = numbers
    late = [max(each[event] for each in heard) - min(each[event] for each in heard) for event in events[1:]]
    span = max(each[events[-1]] for each in heard) - min(each[events[1]] for each in heard)
    print(f"{count} listeners of one job: {held}. Polls at {POLLS}/s beside them: {_spoken(beside)}.")
    print(f"Each heard all {len(events)} events of a training of {span:.1f} s, the last listener")
    print(f"{_ms(median(late))} after the first, {_ms(max(late))} at most.")
    print(f"That cost the API {spent:.1f} s of processor time.")


async def _hear(client: httpx.AsyncClient, job: str, first: asyncio.Barrier) -> dict[str, float]:
    """When each numbered event arrived."""
    heard: dict[str, float] = {}
    async with client.stream("GET", f"/v1/jobs/{job}/events") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("id:"):
                heard[line.removeprefix("id:").strip()] = time.perf_counter()
                if len(heard) == 1:
                    await first.wait()
    return heard


def downloads(there: Scene, model: str, seconds: float) -> None:
    """Poll while a file goes out several times at once."""
    before = drive(there, ASKS[0], POLLS, seconds)
    size = SMALL if model == there.small else LARGE
    url = f"{there.url}/v1/models/{model}/weights"
    command = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code} %{size_download}", url]
    with processes.peaks(there.pid) as memory:
        started = time.perf_counter()
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(DOWNLOADS)]
        during = drive(there, ASKS[0], POLLS, seconds)
        said = {each.communicate()[0] for each in running}
        took = time.perf_counter() - started
    if said != {f"200 {size}"}:
        raise SystemExit(f"downloads were cut: {said}")
    first, peak = memory["API"]
    print(
        f"{DOWNLOADS} downloads of {size >> 20:,} MiB at once: whole, in {took:.1f} s "
        f"({DOWNLOADS * size / took / 2**20:,.0f} MiB/s)."
    )
    print(f"The API had {first >> 20} MiB before, {peak >> 20} MiB at most.")
    print(f"Polls at {POLLS}/s: {_spoken(before)} before; {_spoken(during)} meanwhile.")


def _held(there: Scene) -> str:
    threads = len(os.listdir(f"/proc/{there.api}/task"))
    connections = len(processes.named(there.pid, "PostgreSQL"))
    memory = processes.resident(there.api) >> 20
    return f"the API has {threads} threads and {memory} MiB, PostgreSQL {connections} processes"


def _spoken(answers: Answers) -> str:
    return f"p50 {answers.p50:.0f} ms, p99 {answers.p99:.0f} ms, {answers.errors.total()} errors"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    main()
