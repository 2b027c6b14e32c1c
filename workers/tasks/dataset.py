"""The ingest job: an archive or a folder in, a pack out."""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.db.resources import Dataset
from core.errors import InvalidRequestError
from core.ids import new_id
from core.settings import Settings
from core.specs.datasets import DatasetSpec
from g2l.data.pack import Pack, write_pack
from workers.active import ActiveJob
from workers.products import Made, Product

_CHUNK = 1 << 20


def run(job: ActiveJob[DatasetSpec]) -> Product:
    """Pack what was uploaded, or what lies at the URI."""
    source, filename = _source(job)
    with job.staging() as folder:
        pack = folder / "pack"
        summary = write_pack(source, filename, pack, on_progress=job.counting("reading", "bytes"))
        if summary.n_items > job.settings.max_items:
            raise InvalidRequestError.at(
                "file",
                f"There are {summary.n_items:,} items; G2L_MAX_ITEMS allows {job.settings.max_items:,}.",
            )
        job.enter("storing")
        sha256, size = _measured(job, source, pack)
        published = job.store.publish(pack)
    row = Dataset(
        id=new_id("ds"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        artifact=published.digest,
        sha256=sha256,
        bytes=size,
        **summary.to_dict(),
    )
    return Product(Made(row, [published]))


def _source(job: ActiveJob[DatasetSpec]) -> tuple[Path, str]:
    if job.spec.upload is not None:
        return job.store.upload(job.spec.upload.id), job.spec.upload.filename
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
    """Digest and size of the archive; of a folder, those of its items: paths and digests in order."""
    if job.spec.upload is not None:
        return job.spec.upload.sha256, job.spec.upload.bytes
    if source.is_file():
        return _digest(source), source.stat().st_size
    items, whole = Pack(pack), hashlib.sha256()
    for path, digest in zip(items.paths.to_pylist(), items.digests, strict=True):
        whole.update(f"{path}\0{digest.decode()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest(), (pack / "images.bin").stat().st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
