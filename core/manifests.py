"""What an artifact holds: its files by digest and size, whose digests together are the artifact's own."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import ServiceError

MANIFEST = ".manifest.json"  # lies in an artifact's folder beside its files, and is none of them
_CHUNK = 1 << 20


class ArtifactMissingError(ServiceError):
    """A file that was stored once is not there any more."""

    code = "artifact-missing"
    title = "A stored file is missing"


class ArtifactBrokenError(ServiceError):
    """A stored file is not what was written."""

    code = "artifact-broken"
    title = "A stored file is damaged"


@dataclass(frozen=True)
class FileEntry:
    """A file of an artifact: its digest and size."""

    sha256: str
    bytes: int


Files = Mapping[str, FileEntry]


def files_of(folder: Path) -> dict[str, FileEntry]:
    """What a folder holds, each file read through and flushed to the disk."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _entry(path) for path in paths if path != folder / MANIFEST}


def digest_of(files: Files) -> str:
    """The digest of an artifact."""
    digests = {name: entry.sha256 for name, entry in files.items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def encoded(files: Files) -> bytes:
    """A manifest as it is kept."""
    return json.dumps({name: asdict(entry) for name, entry in files.items()}, sort_keys=True).encode()


def decoded(data: bytes, digest: str) -> dict[str, FileEntry]:
    """The manifest of an artifact.

    Raises:
        ArtifactBrokenError: it is of another artifact, or none.
    """
    try:
        files = {name: FileEntry(**entry) for name, entry in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError):
        raise broken(digest, MANIFEST, "cannot be read") from None
    if digest_of(files) != digest:
        raise broken(digest, MANIFEST, "is of another artifact")
    return files


def write(folder: Path, files: Files) -> None:
    """Keep a manifest in its artifact's folder; whoever reads there meanwhile sees all of it or none."""
    aside = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}{MANIFEST}")
    with aside.open("wb") as file:
        file.write(encoded(files))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / MANIFEST)


def check(folder: Path, digest: str) -> None:
    """See that all files of an artifact lie in its folder with the sizes that they were written with.

    Raises:
        ArtifactMissingError: one does not.
        ArtifactBrokenError: one has another size.
    """
    try:
        files = decoded((folder / MANIFEST).read_bytes(), digest)
    except FileNotFoundError:
        _adopt(folder, digest)
        return
    for name, entry in files.items():
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            raise missing(digest, name) from None
        if size != entry.bytes:
            raise broken(digest, name, f"has {size:,} bytes instead of {entry.bytes:,}")


def _adopt(folder: Path, digest: str) -> None:
    """Write the manifest of an artifact that is older than manifests are, if all of it is there."""
    files = files_of(folder) if folder.is_dir() else {}
    if digest_of(files) != digest:
        raise missing(digest, MANIFEST)
    write(folder, files)


def missing(digest: str, name: str) -> ArtifactMissingError:
    """The error of a file that is not there."""
    return ArtifactMissingError(f"{digest}/{name} is missing; restore it from a backup.")


def broken(digest: str, name: str, how: str) -> ArtifactBrokenError:
    """The error of a file that is another one than was written."""
    return ArtifactBrokenError(f"{digest}/{name} {how}; restore it from a backup.")


def _entry(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        os.fsync(file.fileno())
        return FileEntry(digest.hexdigest(), file.tell())
