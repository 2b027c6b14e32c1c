"""What `g2l study` refuses before it asks the service."""

from pathlib import Path

import pytest

from tests.g2l.cli.conftest import Run


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("study.toml", "targets = [", "cannot be read"),
        ("study.json", "{'targets': []}", "cannot be read"),
        ("study.json", "[1, 2]", "holds no object"),
    ],
)
def test_a_file_that_is_no_request(g2l: Run, tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    done = g2l("study", "submit", str(tmp_path / name))
    assert (done.exit_code, why in done.stderr) == (2, True), done.output


def test_a_file_that_is_not_there(g2l: Run, tmp_path: Path) -> None:
    done = g2l("study", "submit", str(tmp_path / "none.toml"))
    assert (done.exit_code, "none.toml" in done.stderr) == (1, True)
