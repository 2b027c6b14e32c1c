"""From an array of embeddings to a pack's files."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from g2l.data.archives import EmbeddingArchive
from g2l.data.extension import Extension
from g2l.data.index import IndexWriter
from g2l.data.ingest import NoImagesError, Progress, Tally, nothing_new, require_groups
from g2l.data.summary import PackSummary


def pack_embeddings(
    archive: EmbeddingArchive,
    folder: Path,
    *,
    group_by: str | None = None,
    extends: Extension | None = None,
    on_progress: Progress,
) -> PackSummary:
    """Write embeddings.npy (N, D) float32 and index.parquet; arguments and errors as for `pack_images`.

    Raises:
        NotFiniteError: a value is NaN or infinite.
    """
    if not archive.n_items:
        raise NoImagesError("'embeddings' has no rows; send at least one", field="file")
    tally, version = Tally(), 1
    if extends is not None:
        extends.require_kind("embeddings")
        extends.require_like("embeddings", archive.dim, "float32")
        tally.n_items, version = extends.summary.n_items, extends.version
    n_before = tally.n_items
    with IndexWriter(folder) as index, (folder / "embeddings.npy").open("wb") as file:
        _write_header(file, n_before + archive.n_items, archive.dim)
        if extends is not None:
            extends.embeddings().tofile(file)
        done = 0
        for block in archive.blocks():
            for row in block.astype("<f4", copy=False):
                path, data = f"embeddings/{n_before + done:07d}", row.tobytes()
                digest = hashlib.sha256(data).digest()
                label = None if archive.labels is None else archive.labels[done]
                group = None if archive.groups is None else archive.groups[done]
                done += 1
                if extends is not None and (known := extends.item_of(digest)) is not None:
                    tally.reject_duplicate(path, known)
                    continue
                file.write(data)
                tally.n_items += 1
                index.add((path, label, None, digest, *(None,) * 7, group, version))
            on_progress(done, archive.n_items)
        if tally.n_items == n_before:
            raise nothing_new(tally.n_duplicates)
        file.seek(0)
        _write_header(file, tally.n_items, archive.dim)  # as long as before: numpy leaves room for it to grow
        file.flush()
        os.fsync(file.fileno())
        counts = index.finish(None, before=() if extends is None else extends.rows())
    require_groups(group_by, counts, extends)
    tally.channels, tally.dtype = archive.dim, "float32"
    return tally.summary("embeddings", counts, image_size=None, version=version)


def _write_header(file: BinaryIO, n_items: int, dim: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (n_items, dim)}
    np.lib.format.write_array_header_1_0(file, header)
