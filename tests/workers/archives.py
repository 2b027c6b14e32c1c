"""Small real archives, uploaded as the API uploads them."""

import io
import zipfile
from hashlib import sha256

import numpy as np
from PIL import Image

from core.ids import new_id
from core.specs.base import Upload
from core.specs.datasets import DatasetSpec
from tests.workers.service import Service


def png(seed: int, *, kind: int = 0, side: int = 16) -> bytes:
    """A noisy picture; kinds differ in colour and in the direction of their stripes."""
    rng = np.random.default_rng([seed, kind])
    y, x = np.mgrid[0:side, 0:side]
    angle = kind * np.pi / 5
    stripes = 0.5 + 0.5 * np.sin(
        (x * np.cos(angle) + y * np.sin(angle)) * (0.6 + 0.25 * kind) + rng.uniform(0, 6)
    )
    colour = np.array([1 + kind % 3, 1 + (kind // 3) % 3, 2]) / 3
    pixels = stripes[..., None] * colour * 200 + rng.normal(0, 12, (side, side, 3)) + 25
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return file.getvalue()


def folders(n_classes: int, n_images: int, *, first: int = 0) -> dict[str, bytes]:
    """A folder per class."""
    return {
        f"kind{kind}/{number}.png": png(first + number, kind=kind)
        for kind in range(n_classes)
        for number in range(n_images)
    }


def upload(service: Service, body: bytes, filename: str = "pool.zip") -> Upload:
    id_ = new_id("job")
    service.store.upload(id_).write_bytes(body)
    service.store.share_upload(id_)
    return Upload(id=id_, filename=filename, sha256=sha256(body).hexdigest(), bytes=len(body))


def submit_dataset(
    service: Service, members: dict[str, bytes], name: str = "pool", *, hint: bool = True
) -> str:
    spec = DatasetSpec(name=name, uploads=[upload(service, zipped(members))])
    return service.submit("dataset", spec, hint=hint)
