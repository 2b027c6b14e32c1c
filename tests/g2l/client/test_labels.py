"""Labels: streamed, as tables, in files."""

import io
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2l.client import Client, DigestError, MissingPackageError
from tests.g2l.client.scripted import Answer, Scripted
from tests.g2l.client.test_downloads import digest

ROWS = [
    {"item_id": 0, "label": "far-near", "anchors": ["far", "near"], "margin": 0.5},
    {"item_id": 1, "label": "near", "anchors": ["near"], "margin": None},
]


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out)
    return out.getvalue()


def test_labels_as_an_arrow_table(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(parquet(), cut_after=100), Answer(parquet()))
    table = client.labelings.labels("lab_1").to_arrow()
    assert table.to_pylist() == ROWS
    assert service.seen[-1].path == "/v1/labelings/lab_1/labels?format=parquet"


def test_labels_as_a_data_frame(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(b'{"id": "lab_1", "n_items": 2}'), Answer(parquet()))
    frame = client.labelings.get("lab_1").labels().to_pandas()
    assert list(frame["label"]) == ["far-near", "near"]
    assert frame["margin"].isna().tolist() == [False, True]


def test_damaged_labels_are_refused(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(parquet(), headers={"Repr-Digest": f"sha-256=:{digest(b'others')}:"}))
    with pytest.raises(DigestError):
        client.labelings.labels("lab_1").to_arrow()


@pytest.mark.parametrize(
    ("method", "missing"), [("to_pandas", "pandas"), ("to_pandas", "pyarrow"), ("to_arrow", "pyarrow")]
)
def test_what_is_not_installed_is_named(
    client: Client, service: Scripted, monkeypatch: pytest.MonkeyPatch, method: str, missing: str
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, module, None)
    ask: Any = getattr(client.labelings.labels("lab_1"), method)
    with pytest.raises(MissingPackageError, match=rf"{method} needs .*; `pip install [a-z ]*{missing}"):
        ask()
    assert service.seen == []
