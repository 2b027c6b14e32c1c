"""What keeps a million entries in little memory."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.million import write_zip
from g2l.data import runs, seen
from g2l.data.archives import ZipImages, open_archive
from g2l.data.runs import SortedPaths
from g2l.data.seen import Seen

TEXTS = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=4))


@pytest.fixture(autouse=True, scope="module")
def _short_runs() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_RUN", 8)
        patch.setattr(seen, "_RECENT", 8)
        yield


@given(paths=TEXTS)
def test_paths_come_back_sorted_with_their_numbers(paths: list[str]) -> None:
    collected = SortedPaths(None)
    for number, path in enumerate(paths):
        collected.add(path, number)
    found = list(collected)
    collected.close()
    assert found == sorted((path, number) for number, path in enumerate(paths))


@given(texts=TEXTS)
def test_what_was_met_before_is_known(texts: list[str]) -> None:
    met = Seen()
    assert [met.add(text) for text in texts] == [text not in texts[:i] for i, text in enumerate(texts)]
    assert len(met) == len(set(texts))


def test_listing_a_zip_takes_few_bytes_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_RUN", 1_000)
    n_entries = 50_000
    write_zip(tmp_path / "many.zip", n_entries)
    tracemalloc.start()
    try:
        with open_archive(tmp_path / "many.zip", "many.zip", scratch=tmp_path) as archive:
            assert isinstance(archive, ZipImages)
            peak = tracemalloc.get_traced_memory()[1]
            first = next(iter(archive))
    finally:
        tracemalloc.stop()
    assert first.path == "class00/0000000.ppm"
    assert peak < 60 * n_entries  # `zipfile` keeps ten times that
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.zip"]


def test_the_benchmarks_zip_is_whole(tmp_path: Path) -> None:
    write_zip(tmp_path / "few.zip", 300)
    with open_archive(tmp_path / "few.zip", "few.zip") as archive:
        assert isinstance(archive, ZipImages)
        assert len(list(archive)) == 300
