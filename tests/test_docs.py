"""The documentation keeps up with the code."""

import re
from pathlib import Path

import pytest

from core.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_its_row(name: str) -> None:
    """A row a setting in docs/settings.md, with the description that the code gives."""
    field = Settings.model_fields[name]
    rows = (ROOT / "docs/settings.md").read_text().splitlines()
    row = next((line for line in rows if f"`G2L_{name.upper()}`" in line), "")
    assert field.description is not None
    assert field.description in row


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
