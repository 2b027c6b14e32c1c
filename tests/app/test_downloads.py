"""Downloads as RFC 9110 and RFC 9530 have them."""

import base64
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.downloads import satisfiable
from tests.app.conftest import Api
from tests.app.made import Maker

WEIGHTS = np.random.default_rng(1).bytes(3_000_000)
SHA256 = hashlib.sha256(WEIGHTS)
ETAG = f'"{SHA256.hexdigest()}"'
DIGEST = f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:"


@pytest.fixture(scope="module")
def url(make: Maker) -> str:
    return f"/v1/models/{make.model(WEIGHTS)}/weights"


def test_the_whole_file(api: Api, url: str) -> None:
    answer = api.client.get(url)
    assert answer.status_code == 200
    assert answer.content == WEIGHTS
    assert answer.headers["content-length"] == str(len(WEIGHTS))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == ETAG
    assert answer.headers["repr-digest"] == DIGEST
    assert answer.headers["content-disposition"] == 'attachment; filename="model.safetensors"'


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_head_says_the_same_without_the_bytes(api: Api, url: str, headers: dict[str, str]) -> None:
    whole, head = api.client.get(url), api.client.head(url, headers=headers)
    assert head.status_code == 200
    assert head.content == b""
    same = whole.headers.keys() - {"date", "x-request-id"}
    assert {name: head.headers.get(name) for name in same} == {name: whole.headers[name] for name in same}


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=2999999-", slice(2_999_999, None)),
        ("bytes=1000000-99999999", slice(1_000_000, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=-99999999", slice(None)),
        ("BYTES=10-19", slice(10, 20)),
        ("bytes=10-19, 99999999-", slice(10, 20)),
    ],
)
def test_a_range(api: Api, url: str, asked: str, part: slice) -> None:
    answer = api.client.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == WEIGHTS[part]
    first, last, _ = part.indices(len(WEIGHTS))
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(WEIGHTS)}"
    assert answer.headers["content-length"] == str(last - first)
    assert answer.headers["etag"] == ETAG
    assert answer.headers["repr-digest"] == DIGEST


def test_several_ranges(api: Api, url: str) -> None:
    answer = api.client.get(url, headers={"Range": "bytes=0-3,10-13"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert WEIGHTS[:4] in answer.content
    assert WEIGHTS[10:14] in answer.content


@pytest.mark.parametrize("asked", ["bytes=3000000-", "bytes=99999999-999999999", "bytes=-0"])
def test_no_such_range(api: Api, url: str, asked: str) -> None:
    problem = api.problem("GET", url, headers={"Range": asked})
    assert problem["status"] == 416
    answer = api.client.get(url, headers={"Range": asked})
    assert answer.headers["content-range"] == f"bytes */{len(WEIGHTS)}"


@pytest.mark.parametrize(
    "asked", ["items=0-5", "bytes", "bytes=", "bytes=a-b", "bytes=5-3", "bytes=1-2-3", "0-5", "bytes=²-"]
)
def test_a_range_that_means_nothing_is_ignored(api: Api, url: str, asked: str) -> None:
    answer = api.client.get(url, headers={b"Range": asked.encode()})
    assert answer.status_code == 200
    assert len(answer.content) == len(WEIGHTS)


def test_if_range(api: Api, url: str) -> None:
    ranged = {"Range": "bytes=0-9"}
    assert api.client.get(url, headers=ranged | {"If-Range": ETAG}).status_code == 206
    for other in ('"other"', f"W/{ETAG}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert api.client.get(url, headers=ranged | {"If-Range": other}).status_code == 200


@pytest.mark.parametrize("given", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_known_is_not_sent(api: Api, url: str, given: str, method: str) -> None:
    answer = api.client.request(method, url, headers={"If-None-Match": given, "Range": "bytes=0-9"})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == ETAG
    assert api.client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_every_file_of_the_folder(api: Api, make: Maker) -> None:
    model = make.model(b"w")
    assert api.client.get(f"/v1/models/{model}/files/model.safetensors").content == b"w"
    assert api.client.get(f"/v1/models/{model}/files/config.json").json() == {}
    card = api.client.get(f"/v1/models/{model}/card")
    assert card.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.text.startswith("---\n")
    for path in ("none", "../config.json", "%2e%2e/config.json", "/config.json", "", "config.json/"):
        assert api.problem("GET", f"/v1/models/{model}/files/{path}")["status"] == 404


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30))
def test_ranges_are_python_slices(first: int, last: int, size: int) -> None:
    content = bytes(range(size))
    found = satisfiable(f"bytes={first}-{last}", size)
    if first > last:
        assert found is None
    else:
        assert b"".join(content[a : b + 1] for a, b in found or []) == content[first : last + 1]
    suffix = satisfiable(f"bytes=-{last}", size) or []
    assert b"".join(content[a : b + 1] for a, b in suffix) == (content[-last:] if last else b"")
