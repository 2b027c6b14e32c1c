"""`g2l models`."""

from pathlib import Path
from typing import Annotated

import typer

from g2l.cli.follow import finish, sending
from g2l.cli.groups import resource_group
from g2l.cli.options import Name, given
from g2l.cli.output import print_line
from g2l.cli.session import Session, Wait, command
from g2l.client.progress import Status, reporting

group = resource_group(
    "Models: sources, fine-tuned ones, imports.",
    lambda client: client.models,
    columns=("id", "name", "revision", "role", "arch", "image_size", "channels", "created_at"),
)


@command(group, "pull")
def pull(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="mdl_…, or a name: the newest of that.")],
    out: Annotated[Path | None, typer.Option(help="The folder; by default the model's name.")] = None,
) -> None:
    """Fetch a model's folder: weights, configuration, preprocessing, card and provenance."""
    with reporting() as reporter:

        def on_progress(file: str, here: int, total: int) -> None:
            reporter.update(_transferred(file, here, total))

        folder = session.client.models.pull(model, out, on_progress=on_progress)
    session.show({"folder": str(folder.resolve())}, lambda: print_line("\n".join(how_to_load(folder))))


@command(group, "import")
def import_(
    session: Session,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Its folder, a zip or tar of that, or an .onnx network.")
    ],
    name: Name = None,
    image_size: Annotated[
        int | None, typer.Option(help="Of an .onnx network that takes any: pixels along a side.")
    ] = None,
    image_mean: Annotated[
        str | None, typer.Option(metavar="0.5 | R,G,B", help="Taken from its pixels, after rescaling.")
    ] = None,
    image_std: Annotated[
        str | None, typer.Option(metavar="0.5 | R,G,B", help="What its pixels are divided by then.")
    ] = None,
    rescale_factor: Annotated[
        float | None, typer.Option(help="What its 8-bit pixels are multiplied with first; 1/255 by default.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Take in a model in the Hugging Face layout, with safetensors, or an ONNX network as an embedder."""
    preprocessing = given(
        image_size=image_size, image_mean=image_mean, image_std=image_std, rescale_factor=rescale_factor
    )
    with reporting() as reporter:
        job = session.client.models.import_file(
            path, name, preprocessing=preprocessing, on_progress=sending(reporter, "upload")
        )
        reporter.update(Status("upload", ended="done"))
    finish(session, job, wait_for_it=wait)


@command(group, "card")
def card(session: Session, model: Annotated[str, typer.Argument(metavar="ID", help="mdl_…")]) -> None:
    """Print a model's card."""
    text = session.client.models.card(model)
    session.show({"model_id": model, "card": text}, lambda: print_line(text.rstrip("\n")))


def how_to_load(folder: Path) -> list[str]:
    """Where the weights lie, and the Python that loads them."""
    where = str(folder.resolve())
    if (folder / "model.onnx").exists():
        return [
            f"network: {folder.resolve() / 'model.onnx'}",
            "run it:",
            "  from onnxruntime import InferenceSession",
            f"  session = InferenceSession({str(folder.resolve() / 'model.onnx')!r})",
        ]
    return [
        f"weights: {folder.resolve() / 'model.safetensors'}",
        "load them:",
        "  from transformers import AutoImageProcessor, AutoModel",
        f"  processor = AutoImageProcessor.from_pretrained({where!r})",
        f"  model = AutoModel.from_pretrained({where!r})",
    ]


def _transferred(what: str, done: int, total: int) -> Status:
    return Status(what, done=done, total=total, unit="bytes", ended="done" if done == total else None)
