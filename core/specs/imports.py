"""What may be said of a network that is imported."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from core.specs.base import ImageSize, Spec

LARGEST_ONNX = 1 << 30  # bytes


def _numbers(value: object) -> object:
    """A form's text, ``0.5`` or ``0.485, 0.456, 0.406`` or that in brackets, as the list that it spells."""
    return value.strip().removeprefix("[").removesuffix("]").split(",") if isinstance(value, str) else value


Finite = Annotated[float, Field(ge=-1e9, le=1e9)]
Means = Annotated[list[Finite], Field(min_length=1, max_length=4096), BeforeValidator(_numbers)]
Deviations = Annotated[
    list[Annotated[float, Field(gt=0, le=1e9)]],
    Field(min_length=1, max_length=4096),
    BeforeValidator(_numbers),
]


class OnnxPreprocessing(Spec):
    """What images go through before an ONNX network, in the words of a preprocessor_config.json."""

    image_size: ImageSize | None = Field(None, description="pixels a side; null: the network's own, or 224")
    image_mean: Means | None = Field(
        None, description="of every channel or of all; null: ImageNet's for 3 channels, else 0.5"
    )
    image_std: Deviations | None = Field(None, description="likewise")
    rescale_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        1 / 255, description="what 8-bit pixels are multiplied with first"
    )
