"""The model card: README.md of a model folder, with the Hugging Face metadata block."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from g2l.nn.images import Preprocessing

SHOWN_LABELS = 100
CLASSIFIER, FEATURES = "image-classification", "image-feature-extraction"  # tasks as the Hub names them

_OWN_PIXELS = (
    "The weights were made from nothing but the images whose digests are listed below, from random "
    "initial values; no weights of third parties took part, neither as a start nor as the embedder."
)
_THIRD_PARTY = (
    "Weights of third parties took part, as a start or as the embedder that made the labels; "
    "their licences may bind these weights too. `provenance.json` names them."
)
_NO_HEAD = (
    "## Outputs\n\nNone: this is a body without classifier, to be fine-tuned or to embed images. Average its "
    "last map (or its tokens) over positions for a response vector."
)
_LICENCE = (
    "Licensed under the Apache License, Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0). "
    "The weights come without warranties or conditions of any kind, as that licence says."
)


def model_card(
    name: str,
    *,
    arch: str,
    labels: Sequence[str],
    preprocessing: Preprocessing,
    summary: str,
    provenance: Mapping[str, Any],
    results: Mapping[str, float] | None = None,
) -> str:
    """Text of a model's README.md.

    Args:
        name: of the model.
        arch: its architecture.
        labels: names of its outputs, of which the first `SHOWN_LABELS` are listed; none for a body.
        preprocessing: of its input.
        summary: a sentence or two on what it was trained on and towards, plain text.
        provenance: content of provenance.json; its `third_party_weights` decides the wording, its `data`
            (a mapping from what to a digest) is listed.
        results: named figures, such as {"source accuracy": 0.42}.

    Returns:
        Markdown that begins with a YAML block of metadata.
    """
    height, width = preprocessing.size
    third_party = bool(provenance.get("third_party_weights"))
    data = provenance.get("data") or {}
    shown = [f"- `{_one_line(label)}`" for label in labels[:SHOWN_LABELS]]
    if len(labels) > SHOWN_LABELS:
        shown.append(f"- and {len(labels) - SHOWN_LABELS} more, in `config.json`")
    figures = [f"| {key} | {value:.4g} |" for key, value in (results or {}).items()]
    blocks = [
        _metadata(name, third_party=third_party, task=CLASSIFIER if labels else FEATURES),
        f"# {_one_line(name)}",
        summary,
        f"Architecture `{arch}`; images of {height} by {width} pixels, {preprocessing.channels} channels.",
        "## Load it\n\n" + _loading(preprocessing, classifier=bool(labels)),
        "## Results\n\n| measured | value |\n|---|---|\n" + "\n".join(figures) if figures else "",
        "## Data\n\n" + "\n".join(f"- {_one_line(str(k))}: `{_one_line(str(v))}`" for k, v in data.items())
        if data
        else "",
        "## Where the weights come from\n\n" + (_THIRD_PARTY if third_party else _OWN_PIXELS),
        f"## Outputs\n\n{len(labels)} labels:\n\n" + "\n".join(shown) if labels else _NO_HEAD,
        "## Licence\n\n" + _LICENCE,
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def onnx_card(
    name: str, *, preprocessing: Preprocessing, dim: int, n_parameters: int, provenance: Mapping[str, Any]
) -> str:
    """Text of the README.md beside an imported ONNX network.

    Args:
        name: of the model.
        preprocessing: of its input.
        dim: width of its responses.
        n_parameters: numbers among its stored tensors.
        provenance: content of provenance.json.

    Returns:
        Markdown that begins with a YAML block of metadata.
    """
    height, width = preprocessing.size
    origin = provenance["imported"]
    blocks = [
        _metadata(name, third_party=True, task=FEATURES, library="onnx"),
        f"# {_one_line(name)}",
        "An imported ONNX network, kept as it came and run by onnxruntime. It embeds images; it cannot be "
        "trained on.",
        f"Images of {height} by {width} pixels, {preprocessing.channels} channels; responses of {dim} "
        f"dimensions; {n_parameters:,} stored numbers. `preprocessor_config.json` says what its input goes "
        "through.",
        f"## Data\n\n- {_one_line(origin['filename'])}: `{origin['sha256']}`",
        "## Where the weights come from\n\n" + _THIRD_PARTY,
    ]
    return "\n\n".join(blocks) + "\n"


def position_labels(names: Sequence[str], length: int) -> tuple[str, ...]:
    """Names of the outputs of a head a position: `1-animal`, …, `2-animal`, …, as the classifier has them."""
    return tuple(f"{position + 1}-{name}" for position in range(length) for name in names)


def _metadata(name: str, *, third_party: bool, task: str, library: str = "transformers") -> str:
    tags = ["g2l", task, *(["pseudo-labels"] if task == CLASSIFIER else [])]
    licence = ["license: apache-2.0"]
    if third_party:
        licence = ["license: other", "license_name: apache-2.0-over-third-party-weights"]
    lines = [
        "---",
        *licence,
        f"library_name: {library}",
        f"pipeline_tag: {task}",
        "tags:",
        *[f"- {tag}" for tag in tags],
        f"model_name: {json.dumps(_one_line(name))}",  # a JSON string is a YAML string
        "---",
    ]
    return "\n".join(lines)


def _loading(preprocessing: Preprocessing, *, classifier: bool) -> str:
    loader = "AutoModelForImageClassification" if classifier else "AutoModel"
    shown = "model.config.id2label[model(**pixels).logits.argmax().item()]"
    if not classifier:
        shown = "model(**pixels).last_hidden_state.shape"
    mode = {1: '.convert("L")', 3: '.convert("RGB")'}.get(preprocessing.channels, "")
    return (
        "```python\n"
        "from PIL import Image\n"
        f"from transformers import AutoImageProcessor, {loader}\n\n"
        'processor = AutoImageProcessor.from_pretrained("path/to/this/folder")\n'
        f'model = {loader}.from_pretrained("path/to/this/folder")\n'
        f'pixels = processor(Image.open("image.png"){mode}, return_tensors="pt")\n'
        f"print({shown})\n"
        "```"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")
