"""The items of a dataset over HTTP: paged rows, images and thumbnails."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from app import downloads, paging, problems, resources, tables
from app.database import ReadDb, ReadSession
from app.schemas.datasets import ItemOut, PseudoLabelOut
from core.db.resources import Dataset, Labeling
from core.errors import NotFoundError
from g2l.data.images import MEDIA_TYPES
from g2l.data.itemfile import ItemFile
from g2l.data.pixels import encode_png, encode_thumbnail

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
THUMBNAIL = 128  # pixels
MOST_LABELINGS = 20
_COLUMNS = ["path", "label", "split", "group", "height", "width"]


class ItemsQuery(paging.PageQuery):
    """The filters of the list."""

    labeling_id: paging.Text | None = None


@router.get("/{dataset_id}/items", responses=problems.documented("not-found"))
def list_items(
    dataset_id: str, query: Annotated[ItemsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[ItemOut]:
    """Items in the archive's order, with their labels and what the newest labelings (or one) say of them."""
    dataset = resources.get(db, Dataset, dataset_id)
    first = 0 if query.cursor is None else paging.decode(query.cursor)
    if not isinstance(first, int) or not 0 <= first < 1 << 40:
        raise paging.bad_cursor()
    path = downloads.folder(dataset.artifact) / "index.parquet"
    found = tables.rows(path, first, query.limit, columns=_COLUMNS).to_pylist()
    labels = _pseudo_labels(db, dataset, query.labeling_id, first=first, count=len(found))
    items = [_item(dataset, first + offset, row, labels[offset]) for offset, row in enumerate(found)]
    following = first + len(found)
    cursor = paging.encode(following) if found and following < dataset.n_items else None
    paging.link(request, response, cursor)
    return paging.Page(items=items, next_cursor=cursor)


@router.head("/{dataset_id}/items/{index}/image", include_in_schema=False)
@router.get(
    "/{dataset_id}/items/{index}/image", responses=problems.documented("not-found"), response_class=Response
)
def get_image(
    dataset_id: str,
    index: int,
    request: Request,
    db: ReadDb,
    size: Annotated[
        int | None, Query(ge=8, le=1024, description="a JPEG, its longer side so many pixels")
    ] = None,
) -> Response:
    """An image as it came, or a thumbnail of it."""
    dataset = resources.get(db, Dataset, dataset_id)
    if dataset.kind != "images" or not 0 <= index < dataset.n_items:
        raise NotFoundError(
            f"{dataset.id} has {dataset.n_items:,} {dataset.kind}; there is no image {index}."
        )
    folder = downloads.folder(dataset.artifact)
    row = tables.rows(folder / "index.parquet", index, 1)
    etag = f'"{row["sha256"][0].as_py().hex()}-{size or "whole"}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if downloads.matches(request.headers, etag):
        return downloads.not_modified(headers)
    content, media_type = _encoded(ItemFile(folder / "images.bin", row), size)
    return Response(content, headers=headers, media_type=media_type)


def _encoded(item: ItemFile, size: int | None) -> tuple[bytes, str]:
    if size is not None:
        return encode_thumbnail(item.pixels_for(0, size)[0], size), MEDIA_TYPES["jpeg"]
    if item.format(0) == "raw":
        return encode_png(item.pixels(0)), MEDIA_TYPES["png"]
    return item.read(0), MEDIA_TYPES[item.format(0)]


def _item(dataset: Dataset, index: int, row: dict[str, Any], pseudo: list[PseudoLabelOut]) -> ItemOut:
    image = f"/v1/datasets/{dataset.id}/items/{index}/image" if dataset.kind == "images" else None
    return ItemOut(
        item_id=index,
        **row,
        pseudo_labels=pseudo,
        image=image,
        thumbnail=image and f"{image}?size={THUMBNAIL}",
    )


def _pseudo_labels(
    db: ReadSession, dataset: Dataset, labeling_id: str | None, *, first: int, count: int
) -> list[list[PseudoLabelOut]]:
    """What labelings say of a run of items; their rows are in the dataset's order."""
    statement = select(Labeling).where(Labeling.dataset_id == dataset.id)
    if labeling_id is not None:
        statement = statement.where(Labeling.id == labeling_id)
    statement = statement.order_by(Labeling.created_at.desc()).limit(MOST_LABELINGS)
    found: list[list[PseudoLabelOut]] = [[] for _ in range(count)]
    for labeling in db.scalars(statement):
        path = downloads.folder(labeling.artifact) / "labels.parquet"
        said = tables.rows(path, first, count, columns=["label"])["label"].to_pylist()
        for item, label in zip(found, said, strict=True):
            item.append(PseudoLabelOut(labeling_id=labeling.id, label=label))
    return found
