"""The documentation keeps up with the code."""

import re
from pathlib import Path

import pytest

from app.main import create_app
from app.problems import TABLE
from core.settings import Settings

ROOT = Path(__file__).parents[1]
CALLS = sorted(
    f"{method.upper()} {re.sub(r'{[^}]*id}', '{id}', path).replace('{index}', '{i}')}"
    for path, methods in create_app().openapi()["paths"].items()
    for method in methods
)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_its_row(name: str) -> None:
    """A row a setting in docs/settings.md, with the description that the code gives."""
    field = Settings.model_fields[name]
    rows = (ROOT / "docs/settings.md").read_text().splitlines()
    row = next((line for line in rows if f"`G2L_{name.upper()}`" in line), "")
    assert field.description is not None
    assert field.description in row


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_problem_has_its_row(code: str) -> None:
    """A row a code in docs/problems.md, in the words of the page that the service itself shows."""
    entry = TABLE[code]
    row = f"| `{code}` | {entry.status} | {entry.title} | {entry.about} |"
    assert row in (ROOT / "docs/problems.md").read_text().splitlines()


def test_no_problem_is_explained_that_does_not_exist() -> None:
    codes = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs/problems.md").read_text(), flags=re.MULTILINE)
    assert sorted(codes) == sorted(TABLE)


@pytest.mark.parametrize("call", CALLS)
def test_every_endpoint_is_shown(call: str) -> None:
    """Each call of the service stands in docs/api.md."""
    assert f"`{call}`" in re.sub(r"\s+", " ", (ROOT / "docs/api.md").read_text())


def test_every_metric_has_its_row() -> None:
    source = "".join((ROOT / path).read_text() for path in ("app/figures.py", "app/middleware/observe.py"))
    named = set(re.findall(r'"(g2l_\w+)"', source))
    listed = re.findall(r"^\| `(g2l_\w+)` \|", (ROOT / "docs/operations.md").read_text(), flags=re.MULTILINE)
    assert {name.removesuffix("_total") for name in listed} == named


def test_links_between_pages_lead_somewhere() -> None:
    """Each relative link in the Markdown files names a file that exists."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert pages
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
