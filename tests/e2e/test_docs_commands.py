"""What the pages under docs/ show works as it is written."""

import re
from pathlib import Path

import pytest

from tests.e2e.test_readme import archive, by_bash
from tests.fixtures.service import RunningService

DOCS = Path(__file__).parents[2] / "docs"
# What is to be seen in what a page's commands print.
SHOWN = {"api": ("event: state", "'level': 0.95", "<h1>")}
PAGES = [page for page in sorted(DOCS.glob("*.md")) if "```bash\n" in page.read_text()]


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_are_one_script_that_runs(
    page: Path, service: RunningService, tmp_path: Path
) -> None:
    archive(tmp_path / "pool", 48, classes=0)
    archive(tmp_path / "target", 24, classes=2)
    script = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL))
    said = by_bash(script.replace("http://127.0.0.1:8000", service.url), tmp_path)
    missing = [words for words in SHOWN[page.stem] if words not in said]
    assert missing == [], said
