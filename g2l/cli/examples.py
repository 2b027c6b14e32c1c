"""An example for every command: shown by its `--help`, and in docs/cli.md."""

from collections.abc import Iterator

import typer
from typer.models import CommandInfo

EXAMPLES = {
    "run": "g2l run photos/ --target labelled.zip --label-budget 10",
    "datasets list": "g2l datasets list --limit 5",
    "datasets show": "g2l datasets show ds_… --json",
    "datasets delete": "g2l datasets delete ds_…",
    "datasets create": "g2l datasets create photos/ --name pool",
    "datasets draw": "g2l datasets draw fractals --classes 200 --items 20000",
    "embedders list": "g2l embedders list",
    "embedders show": "g2l embedders show patch-kmeans",
    "embedders delete": "g2l embedders delete emb_…",
    "anchors list": "g2l anchors list",
    "anchors show": "g2l anchors show anc_…",
    "anchors delete": "g2l anchors delete anc_…",
    "anchors create": "g2l anchors create --discover ds_… --k 14",
    "label list": "g2l label list",
    "label show": "g2l label show lab_…",
    "label delete": "g2l label delete lab_…",
    "label create": "g2l label create ds_… anc_… --length 3 --prefer far",
    "label k-means": "g2l label k-means ds_… --classes 200",
    "label shuffle": "g2l label shuffle lab_… --seed 1",
    "label labels": "g2l label labels lab_… --out labels.parquet",
    "pretrain list": "g2l pretrain list",
    "pretrain show": "g2l pretrain show mdl_…",
    "pretrain delete": "g2l pretrain delete mdl_…",
    "pretrain create": "g2l pretrain create lab_… --epochs 20 --name glyphs",
    "transfer list": "g2l transfer list",
    "transfer show": "g2l transfer show trf_…",
    "transfer delete": "g2l transfer delete trf_…",
    "transfer create": "g2l transfer create ds_… --model mdl_… --label-budget 10",
    "forecast list": "g2l forecast list",
    "forecast show": "g2l forecast show fct_…",
    "forecast delete": "g2l forecast delete fct_…",
    "forecast outcomes": "g2l forecast outcomes",
    "forecast create": "g2l forecast create ds_… mdl_… mdl_… --label-budget 10",
    "study list": "g2l study list",
    "study show": "g2l study show std_…",
    "study delete": "g2l study delete std_…",
    "study submit": "g2l study submit study.toml",
    "study report": "g2l study report std_… --out study.html",
    "study transfers": "g2l study transfers std_… --out transfers.parquet",
    "models list": "g2l models list",
    "models show": "g2l models show mdl_…",
    "models delete": "g2l models delete mdl_…",
    "models pull": "g2l models pull glyphs --out weights/",
    "models import": "g2l models import resnet-18/ --name resnet-18",
    "models card": "g2l models card mdl_… > README.md",
    "jobs list": "g2l jobs list --state running",
    "jobs show": "g2l jobs show job_…",
    "jobs wait": "g2l jobs wait job_… --timeout 600",
    "jobs cancel": "g2l jobs cancel job_…",
    "jobs retry": "g2l jobs retry job_…",
    "jobs logs": "g2l jobs logs job_…",
    "jobs events": "g2l jobs events job_… --json",
    "serve": "g2l serve --port 8000",
    "gc": "g2l gc --delete",
    "doctor": "g2l doctor",
    "db upgrade": "g2l db upgrade",
    "db current": "g2l db current",
    "keys create": "g2l keys create laptop",
    "keys list": "g2l keys list",
    "keys revoke": "g2l keys revoke key_…",
}


def show_examples(app: typer.Typer) -> None:
    """Put each command's example below its help."""
    for name, command in _commands(app, ()):
        if name in EXAMPLES:
            command.epilog = f"Example: {EXAMPLES[name]}"


def _commands(app: typer.Typer, groups: tuple[str, ...]) -> Iterator[tuple[str, CommandInfo]]:
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        yield " ".join((*groups, name)), command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            own = (group.name,) if group.name else ()
            yield from _commands(group.typer_instance, (*groups, *own))
