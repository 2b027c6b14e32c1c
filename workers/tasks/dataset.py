"""The ingest job: an archive, a folder or a formula in, a pack out."""

import hashlib
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.db.resources import Dataset
from core.errors import InvalidRequestError
from core.ids import new_id
from core.settings import Settings
from core.specs.datasets import DatasetSpec
from g2l.data.fractals import draw_fractals
from g2l.data.pack import Pack, write_pack
from workers.active import ActiveJob, load
from workers.products import Made, Product

_CHUNK = 1 << 20


def run(job: ActiveJob[DatasetSpec]) -> Product:
    """Pack what was uploaded, lies at the URI or is drawn, behind what the dataset that it extends has."""
    started = time.perf_counter()
    parent = None if job.spec.extends is None else load(Dataset, job.spec.extends)
    with job.staging() as folder:
        source, filename = _source(job, folder / "files")
        pack = folder / "pack"
        summary = write_pack(
            source,
            filename,
            pack,
            label_by=job.spec.label_by,
            group_by=job.spec.group_by,
            extends=None if parent is None else job.store.path(parent.artifact),
            on_progress=job.counting("reading", "bytes"),
        )
        if summary.n_items > job.settings.max_items:
            raise InvalidRequestError.at(
                "file",
                f"There are {summary.n_items:,} items; G2L_MAX_ITEMS allows {job.settings.max_items:,}.",
            )
        job.enter("storing")
        sha256, size = _measured(job, source, pack)
        if parent is not None:  # of all that went in, in order
            sha256 = hashlib.sha256(f"{parent.sha256}\n{sha256}\n".encode()).hexdigest()
            size += parent.bytes
        published = job.store.publish(pack)
    seconds = time.perf_counter() - started
    n_new = summary.n_items - (0 if parent is None else parent.n_items)
    row = Dataset(
        id=new_id("ds"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        artifact=published.digest,
        sha256=sha256,
        bytes=size,
        parent_id=None if parent is None else parent.id,
        seconds=seconds,
        images_per_second=n_new / seconds if summary.kind == "images" else None,
        **summary.to_dict(),
    )
    return Product(Made(row, [published], [] if parent is None else [parent.id]))


def _source(job: ActiveJob[DatasetSpec], several: Path) -> tuple[Path, str]:
    """What is to be read, and its name; several uploads as a folder of their names."""
    uploads, procedural = job.spec.uploads, job.spec.procedural
    if procedural is not None:
        drawn = several.with_name("fractals.tar")
        wanted = procedural.model_dump(exclude={"kind"})
        draw_fractals(drawn, **wanted, on_progress=job.counting("drawing", "images"))
        return drawn, drawn.name
    if len(uploads) == 1:
        return job.store.arrived(uploads[0].id, uploads[0].sha256), uploads[0].filename
    if uploads:
        several.mkdir()
        for upload in uploads:
            os.link(job.store.arrived(upload.id, upload.sha256), several / upload.filename)
        return several, job.spec.name
    if job.spec.uri is None:
        raise InvalidRequestError.at("uri", "The job names neither an upload nor a URI.")
    path = allowed_path(job.spec.uri, job.settings)
    return path, path.name


def allowed_path(uri: str, settings: Settings) -> Path:
    """The file or folder of a ``file://`` URI, if it lies below an allowed root once links are followed.

    Raises:
        InvalidRequestError: it does not, or it is not there.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise InvalidRequestError.at("uri", f"Got {uri}; give a file:// URI below one of G2L_URI_ROOTS.")
    path = Path(unquote(parts.path)).resolve()
    if not any(path.is_relative_to(root.resolve()) for root in settings.uri_roots):
        raise InvalidRequestError.at(
            "uri", f"{uri} is not below one of the folders that G2L_URI_ROOTS allows."
        )
    if not path.exists():
        raise InvalidRequestError.at("uri", f"There is nothing at {uri} on the worker's machine.")
    return path


def _measured(job: ActiveJob[DatasetSpec], source: Path, pack: Path) -> tuple[str, int]:
    """Digest and size of the archive; of several files, of what sha256sum prints for them by name.

    Of a folder, those of its items: paths and digests in order.
    """
    uploads = job.spec.uploads
    if len(uploads) == 1:
        return uploads[0].sha256, uploads[0].bytes
    if uploads:
        listed = sorted((upload.filename, upload.sha256) for upload in uploads)
        text = "".join(f"{sha256}  {filename}\n" for filename, sha256 in listed)
        return hashlib.sha256(text.encode()).hexdigest(), sum(upload.bytes for upload in uploads)
    if source.is_file():
        return _digest(source), source.stat().st_size
    items, whole = Pack(pack), hashlib.sha256()
    for path, digest in zip(items.paths.to_pylist(), items.digests, strict=True):
        whole.update(f"{path}\0{digest.decode()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest(), (pack / "images.bin").stat().st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
