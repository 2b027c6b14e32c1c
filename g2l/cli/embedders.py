"""`g2l embedders`."""

from g2l.cli.groups import resource_group

group = resource_group(
    "What turns images into vectors: built-in, fitted, or a model.",
    lambda client: client.embedders,
    columns=("id", "name", "source", "kind", "dim", "channels", "created_at"),
)
