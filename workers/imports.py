"""The import of a user's model: unpacked without trust, looked at, and laid out like our own."""

import json
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from core.specs.models import ImportModelSpec
from g2l.data.limits import Allowance, check_entry_count
from g2l.data.zips import ZipReader
from g2l.errors import G2LError
from workers import cards, onnx_imports, provenance
from workers.active import ActiveJob
from workers.kept_models import keep_folder
from workers.products import Product

_CHUNK = 1 << 20
_DEEPEST = 2  # a file at the top, or in the one folder that wraps everything


class NotAModelArchiveError(G2LError):
    """The upload is neither a zip nor a tar that can be read."""

    code: ClassVar[str] = "broken-archive"
    title: ClassVar[str] = "The archive is broken"


def run(job: ActiveJob[ImportModelSpec]) -> Product:
    """Check a model and keep it."""
    from g2l.nn.imports import inspect_import

    if job.spec.upload.filename.lower().endswith(".onnx"):
        return onnx_imports.run(job)
    upload = job.store.arrived(job.spec.upload.id, job.spec.upload.sha256)
    with job.staging() as folder:
        job.enter("unpacking")
        unpack(upload, folder / "given")
        job.enter("checking")
        found = inspect_import(folder / "given")
        kept = keep_folder(
            job,
            partial(_lay_out, job, found, provenance.of_import(job)),
            third_party_weights=True,
            role="imported",
            arch=found.arch,
            image_size=max(found.image_size),
            channels=found.channels,
            dim=found.dim,
            n_outputs=len(found.labels),
            parameters=found.n_parameters,
            metrics={},
        )
    return Product(kept)


def unpack(archive: Path, folder: Path) -> None:
    """Write out the files that a model folder has; of pickles only the name, so that they can be refused.

    Raises:
        NotAModelArchiveError: neither a zip nor a tar, cut short, or damaged.
        G2LError: a bomb.
    """
    from g2l.nn.folders import PICKLED_ENDINGS
    from g2l.nn.imports import KEPT_FILES

    folder.mkdir()
    try:
        for name, read in _members(archive):
            path = PurePosixPath(name)
            if len(path.parts) > _DEEPEST or ".." in path.parts or path.is_absolute() or "\0" in name:
                continue
            target = folder / path
            wanted, pickled = path.name in KEPT_FILES, path.suffix.lower() in PICKLED_ENDINGS
            if (wanted or pickled) and not target.exists():
                target.parent.mkdir(exist_ok=True)
                with target.open("wb") as file:
                    while wanted and (data := read(_CHUNK)):
                        file.write(data)
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        if isinstance(error, G2LError):
            raise
        raise NotAModelArchiveError(
            f"the archive cannot be read to its end ({error}); send a .zip or a .tar of the model's folder",
            field="file",
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Names of the regular files, each with a way to read on in it."""
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        with ZipReader(archive) as reader:
            for entry in list(reader.members()):
                yield entry.name, reader.stream(entry).read
        return
    allowance = Allowance(archive.stat().st_size)
    with tarfile.open(archive, "r|*", encoding="utf-8", errors="surrogateescape") as tar:
        for count, info in enumerate(tar, start=1):
            check_entry_count(count)
            data = tar.extractfile(info) if info.isreg() else None
            if data is not None:
                allowance.spend(info.size)
                yield info.name, data.read


def _lay_out(job: ActiveJob[ImportModelSpec], found: Any, origin: dict[str, Any], folder: Path) -> None:
    from g2l.nn.folders import CONFIG, PREPROCESSOR
    from g2l.nn.processors import load_preprocessing, processor_config

    folder.mkdir()
    for file in found.files:
        shutil.copyfile(found.folder / file, folder / file)
    if not (folder / PREPROCESSOR).exists():
        config = json.loads((folder / CONFIG).read_bytes())
        processor = processor_config(load_preprocessing(folder, config))
        (folder / PREPROCESSOR).write_text(json.dumps(processor, indent=2, sort_keys=True) + "\n")
    if not (folder / "README.md").exists():
        (folder / "README.md").write_text(cards.of_import(job, found, origin), encoding="utf-8")
    (folder / "provenance.json").write_text(json.dumps(origin, indent=2, sort_keys=True) + "\n")
