"""Importing the client costs next to nothing, and it needs nothing else of g2l."""

import json
import subprocess
import sys

import pytest

import g2l.client


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_import_loads_no_http() -> None:
    assert not {"httpx", "numpy", "typer", "rich"} & modules_after("import g2l.client")


def test_the_client_stands_alone() -> None:
    loaded = modules_after(
        "from g2l.client import AsyncClient, Client; AsyncClient(); Client('http://localhost').close()"
    )
    assert not {name for name in loaded if name.startswith("g2l.")} - {
        name for name in loaded if name.startswith("g2l.client")
    }
    assert not {"numpy", "typer", "torch"} & loaded


@pytest.mark.parametrize("name", g2l.client.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(g2l.client, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Session'"):
        _ = g2l.client.Session
