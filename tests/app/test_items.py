"""The items of a dataset: rows, images, thumbnails."""

import io

import pytest
from PIL import Image

from tests.app.conftest import Api
from tests.app.made import Maker
from tests.fixtures.images import HEIGHT, WIDTH, picture, saved


@pytest.fixture(scope="module")
def dataset(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make.packed(tmp_path_factory.mktemp("pool"), n_items=7)


def test_items_are_paged_in_order(api: Api, dataset: str) -> None:
    first = api.client.get(f"/v1/datasets/{dataset}/items?limit=3")
    assert [item["item_id"] for item in first.json()["items"]] == [0, 1, 2]
    assert first.links["next"]["url"].startswith(f"/v1/datasets/{dataset}/items?")
    second = api.client.get(first.links["next"]["url"]).json()
    third = api.client.get(f"/v1/datasets/{dataset}/items?limit=3&cursor={second['next_cursor']}").json()
    assert [item["item_id"] for item in third["items"]] == [6]
    assert third["next_cursor"] is None


def test_an_item(api: Api, dataset: str) -> None:
    item = api.client.get(f"/v1/datasets/{dataset}/items").json()["items"][1]
    assert item["path"] == "cat/3.jpg"
    assert item["label"] == "cat"
    assert (item["width"], item["height"]) == (WIDTH, HEIGHT)
    assert item["pseudo_labels"] == []
    image = api.client.get(item["image"])
    assert image.headers["content-type"] == "image/jpeg"
    assert image.content == saved(picture(3), "JPEG")
    thumbnail = Image.open(io.BytesIO(api.client.get(item["thumbnail"]).content))
    assert max(thumbnail.size) <= 128


def test_a_thumbnail_has_the_size_asked_for(api: Api, dataset: str) -> None:
    url = f"/v1/datasets/{dataset}/items/3/image"
    answer = api.client.get(f"{url}?size=16")
    assert Image.open(io.BytesIO(answer.content)).size == (16, 12)
    tag = {"If-None-Match": answer.headers["etag"]}
    assert api.client.get(f"{url}?size=16", headers=tag).status_code == 304
    assert api.client.get(f"{url}?size=17", headers=tag).status_code == 200
    assert api.client.head(f"{url}?size=16").headers["content-length"] == answer.headers["content-length"]
    assert api.problem("GET", f"{url}?size=4")["errors"][0]["pointer"] == "#/query/size"


def test_there_is_no_such_item(api: Api, make: Maker, dataset: str) -> None:
    for index in ("7", "-1", "99999999999999999999"):
        assert api.problem("GET", f"/v1/datasets/{dataset}/items/{index}/image")["status"] == 404
    assert api.problem("GET", f"/v1/datasets/{make.embeddings()}/items/0/image")["status"] == 404
    assert api.problem("GET", "/v1/datasets/ds_none/items")["status"] == 404
    assert api.problem("GET", f"/v1/datasets/{dataset}/items/x/image")["status"] == 404


def test_items_carry_what_labelings_say(api: Api, make: Maker, dataset: str) -> None:
    labelings = [make.labeling(dataset, n_items=7) for _ in range(2)]
    items = api.client.get(f"/v1/datasets/{dataset}/items?limit=2&cursor=Mw").json()["items"]
    assert items[0]["item_id"] == 3
    assert items[0]["pseudo_labels"] == [{"labeling_id": id_, "label": "b-c"} for id_ in labelings[::-1]]
    only = api.client.get(f"/v1/datasets/{dataset}/items?limit=1&labeling_id={labelings[0]}").json()
    assert only["items"][0]["pseudo_labels"] == [{"labeling_id": labelings[0], "label": "a-b"}]
    api.client.delete(f"/v1/labelings/{labelings[0]}")
    assert api.problem("GET", f"/v1/datasets/{dataset}/items?cursor=WyJ4Il0")["status"] == 422
