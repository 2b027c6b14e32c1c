"""Model cards: a README with the Hugging Face metadata block."""

from typing import Any


def of_source(job: Any, made: Any, *, dataset: Any, provenance: Any) -> str:
    """The card of a source model."""
    return f"# {job.spec.name or 'source model'}\n"


def of_import(name: str, found: Any) -> str:
    """The card of an import that came without one."""
    return f"# {name}\n"
