"""`g2l serve`: engines, migrations, API and workers as our children, from the first to Ctrl-C."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx

from app.commands import db, leftovers
from app.commands.accounts import StartError
from app.commands.children import PlainService, Program, Service
from app.commands.engines import Engines, running
from app.commands.home import Home, owned
from app.commands.listening import (
    address_of,
    listen,
    near_address_of,
    require_key_unless_loopback,
)
from app.commands.stopping import signals_raise
from app.commands.supervisor import watch
from core.settings import Settings

ROOT = Path(__file__).parents[2]
READY_WITHIN = 120.0
API_STOP = ((signal.SIGTERM, 6.0),)
WORKER_STOP = ((signal.SIGTERM, 15.0),)  # hands its job back first
LEFTOVER_STOP = ((signal.SIGTERM, 5.0),)  # their database is gone, so there is nothing to hand back to
Say = Callable[[str], None]


def serve(settings: Settings, say: Say, note: Say) -> None:
    """Serve until a signal says stop: ``say`` gets the address once it is ready, ``note`` what happens else.

    Raises:
        ServiceError: it cannot start; the message says why.
    """
    home = Home(settings.home.resolve())  # one spelling, by which leftovers are found
    with signals_raise() as heed, ExitStack() as stack:
        ownership = stack.enter_context(owned(home))
        leftovers.end(leftovers.served_from(home.path), LEFTOVER_STOP)
        listener = stack.enter_context(listen(settings.host, settings.port))
        address = address_of(listener, settings.host)
        ownership.announce(address)
        note(f"Starting; logs go to {home.logs}")
        engines = stack.enter_context(
            running(home, database_url=settings.database_url, redis_url=settings.redis_url)
        )
        if home.postgres.is_symlink():
            note(
                f"PostgreSQL keeps its data in {home.postgres.readlink()}: its account cannot enter the home"
            )
        db.upgrade(engines.database_url)
        heed()
        if not settings.insecure_no_auth:
            require_key_unless_loopback(listener, engines.database_url)
        env = _environment(settings, home, engines)
        api, workers = _api(home, listener, env), _workers(home, settings.workers, env)
        stack.callback(_stop, home, api, workers)
        for service in [api, *workers]:
            service.start()
        _await_ready(near_address_of(listener), [api, *workers], heed)
        say(f"Ready: {address}")
        watch([*engines.services, api, *workers], note, heed)


def _environment(settings: Settings, home: Home, engines: Engines) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // settings.workers))
    return {
        leftovers.MARK: str(home.path),
        "G2L_HOME": str(home.path),
        "G2L_DATABASE_URL": engines.database_url,
        "G2L_REDIS_URL": engines.redis_url,
        "G2L_INSECURE_NO_AUTH": str(settings.insecure_no_auth),
        # Read when torch is imported. Threads that sleep while they wait lose little on idle cores and much
        # less on busy ones, where spinning ones keep the working ones from their core.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }


def _api(home: Home, listener: socket.socket, env: dict[str, str]) -> Service:
    return PlainService(
        Program(
            name="api",
            argv=[sys.executable, "-m", "app.commands.api", str(listener.fileno())],
            log=home.logs / "api.log",
            stop=API_STOP,
            env=env,
            cwd=ROOT,
            pass_fds=[listener.fileno()],
        )
    )


def _workers(home: Home, count: int, env: dict[str, str]) -> list[Service]:
    celery = [sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "-Q", "cpu,gpu"]
    return [
        PlainService(
            Program(
                name=f"worker-{number}",
                argv=[*celery, "-n", f"worker-{number}@%h"],
                log=home.logs / f"worker-{number}.log",
                stop=WORKER_STOP,
                env=env,
                cwd=ROOT,
            )
        )
        for number in range(1, count + 1)
    ]


def _stop(home: Home, api: Service, workers: Sequence[Service]) -> None:
    api.stop()
    for worker in workers:
        if worker.child is not None:
            worker.child.ask_to_stop()  # all at once
    for worker in workers:
        worker.stop()
    leftovers.end(leftovers.served_from(home.path), LEFTOVER_STOP)


def _await_ready(address: str, services: Sequence[Service], heed: Callable[[], None]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    said = "nothing"
    with httpx.Client(base_url=address, timeout=5, trust_env=False) as client:
        while time.monotonic() < deadline:
            heed()
            for service in services:
                if service.child is not None and service.child.returncode is not None:
                    log, tail = service.child.program.log, service.child.log_tail()
                    raise StartError(f"{service.name} did not start; see {log}:\n{tail}")
            try:
                response = client.get("/readyz")
            except httpx.TransportError:
                pass
            else:
                if response.status_code == httpx.codes.OK:
                    return
                said = response.text
            time.sleep(0.1)
    raise StartError(f"not ready after {READY_WITHIN:g} s; {address}/readyz says: {said}")
