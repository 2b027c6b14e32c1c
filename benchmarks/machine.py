"""The line that every benchmark prints first: what ran where, and when."""

import datetime
import os
import platform


def describe() -> str:
    """Processor, cores, Python and date, as a line for a results page."""
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.machine()
    cores = len(os.sched_getaffinity(0))
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{cpu}, {cores} cores, Python {platform.python_version()}, {today}"
