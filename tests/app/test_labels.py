"""Labels come out as JSON lines, CSV and Parquet, by `?format=` or by `Accept`."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from tests.app.conftest import Api
from tests.app.made import Maker

N = 10_000
COLUMNS = ["item_id", "path", "label", "class_id", "anchors", "full", "log_content", "margin"]


@pytest.fixture(scope="module")
def url(make: Maker) -> str:
    return f"/v1/labelings/{make.labeling(make.dataset({'a': N}), n_items=N)}/labels"


def test_lines_of_json(api: Api, url: str) -> None:
    answer = api.client.get(f"{url}?format=jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["content-disposition"].endswith('.jsonl"')
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["item_id"] for line in lines] == list(range(N))
    assert list(lines[1]) == COLUMNS
    assert lines[0]["log_content"] is None
    assert lines[1] == {
        "item_id": 1,
        "path": 'images/1, the "1th".jpg',
        "label": "b-c",
        "class_id": 1,
        "anchors": ["b", "c"],
        "full": ["b", "c", "a"],
        "log_content": pytest.approx(-1 / 7),
        "margin": pytest.approx(1 / N),
    }


def test_csv(api: Api, url: str) -> None:
    answer = api.client.get(f"{url}?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == N
    assert list(rows[0]) == COLUMNS
    assert rows[1]["path"] == 'images/1, the "1th".jpg'
    assert (rows[1]["anchors"], rows[1]["full"]) == ("b-c", "b-c-a")
    assert rows[0]["log_content"] == ""


def test_parquet_has_the_soft_targets(api: Api, url: str) -> None:
    answer = api.client.get(f"{url}?format=parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == [*COLUMNS, "soft"]
    assert table.num_rows == N
    assert api.client.get(f"{url}?format=parquet", headers={"Range": "bytes=0-3"}).content == b"PAR1"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/jsonl"),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson", "application/jsonl"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/html, text/csv;q=0.5, application/jsonl;q=0.1", "text/csv; charset=utf-8"),
        ("text/csv;q=0, */*;q=0.1", "application/jsonl"),
    ],
)
def test_the_accept_header_chooses(api: Api, url: str, accept: str, media_type: str) -> None:
    assert api.client.head(url, headers={"Accept": accept}).headers["content-type"] == media_type


def test_what_cannot_be_given_is_refused(api: Api, url: str) -> None:
    assert api.problem("GET", url, headers={"Accept": "image/png"})["status"] == 406
    assert api.problem("GET", f"{url}?format=xml")["errors"][0]["pointer"] == "#/query/format"


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_known_labels_are_not_sent_again(api: Api, url: str, format: str) -> None:
    etag = api.client.head(f"{url}?format={format}").headers["etag"]
    answer = api.client.get(f"{url}?format={format}", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
