"""What the service bears: the long runs of `tests/chaos`, a row of a table each.

Run: python -m benchmarks.reliability [OPTIONS OF PYTEST], as in `-k redis`; all of them take about two hours.
`-m rates` runs those that compare the jobs a second before and after, for a machine that does nothing else.
"""

import json
import os
import sys
from typing import Any

import pytest

from benchmarks.machine import describe

COLUMNS = (
    "fault",
    "what was done",
    "jobs",
    "attempts",
    "cut off",
    "left to `g2l gc`",
    "longest pause, s",
    "jobs/s before",
    "after",
    "minutes",
)


class Table:
    """A plugin of pytest that prints a row for each run that tells of itself, and names those that failed."""

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str]:
        """No dots between the rows."""
        return report.outcome if report.when == "call" or report.failed else "", "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of one phase of one test."""
        if report.failed:
            print(
                f"| {report.nodeid} | **failed** in {report.when} |" + " |" * (len(COLUMNS) - 2), flush=True
            )
        if report.when == "call":
            for name, told in report.user_properties:
                if name == "reliability":
                    print(_row(json.loads(str(told)), report.duration), flush=True)


def _row(told: dict[str, Any], seconds: float) -> str:
    verdict = told.get("verdict") or {}
    counts = [verdict.get(name, "") for name in ("jobs", "attempts", "crashes", "collected")]
    pause = f"{verdict['silence']:.1f}" if verdict.get("jobs", 0) > 1 else ""
    before, after = told.get("before"), told.get("after")
    rates = [f"{before:.2f}", f"{after:.2f} ({after / before:.0%})"] if before and after else ["", ""]
    cells = [told["fault"], told["done"], *counts, pause, *rates, f"{seconds / 60:.1f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Run them all, or those that are named."""
    os.environ["G2L_CHAOS"] = "long"
    print(describe())
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    sys.exit(pytest.main(["tests/chaos", "-m", "chaos", "-q", "-s", *sys.argv[1:]], plugins=[Table()]))


if __name__ == "__main__":
    main()
