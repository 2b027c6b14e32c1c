"""Write the client's requests.py and answers.py from the service's OpenAPI document: `make generate`.

What a POST takes becomes a `TypedDict` of its schema's name, what the service tells becomes a dataclass.
`--check` writes nothing and fails if a file is not up to date.
"""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REQUESTS, ANSWERS = ROOT / "g2l/client/requests.py", ROOT / "g2l/client/answers.py"
WIDTH = 106
HEADER = '''"""{about}

Written by scripts/client_types.py from the service's schemas; change those, then `make generate`.
"""

{imports}
'''
# An answer is called as its schema, less `Out`, but where the client adds something to it.
NAMES = {
    "ClassOut": "ClassCount",
    "FileOut": "ModelFile",
    "JobOut": "JobFields",
    "LabelingOut": "LabelingAnswer",
    "ModelOut": "ModelAnswer",
}
UNASKED = {"AliveOut", "ReadyOut", "CheckOut"}
TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "JsonObject",
}
Schema = dict[str, Any]


def written() -> dict[Path, str]:
    """The files, as the service's schemas have it."""
    from app.main import create_app

    document = create_app().openapi()
    schemas: dict[str, Schema] = document["components"]["schemas"]
    bodies = [
        operation["post"]["requestBody"]["content"]["application/json"]["schema"]
        for path, operation in document["paths"].items()
        if "application/json" in operation.get("post", {}).get("requestBody", {}).get("content", {})
    ]
    return {
        REQUESTS: _formatted(REQUESTS, _requests(bodies, schemas)),
        ANSWERS: _formatted(ANSWERS, _answers(schemas)),
    }


def _requests(bodies: list[Schema], schemas: dict[str, Schema]) -> str:
    asked = [body for body in bodies if "title" in body and "properties" in body]  # written out in place
    schemas = {**schemas, **{body["title"]: body for body in asked}}
    arms = {_ref(arm): body for body in bodies for arm in body.get("oneOf", [body]) if "$ref" in arm}
    training = [name for name in arms if name.endswith("ModelSpec")]
    schemas["TrainModelSpec"] = _merged([schemas[name] for name in training])
    names = [name for name in arms if name not in training] + [body["title"] for body in asked]
    texts = [_typed_dict(name, schemas[name]) for name in _ordered([*names, "TrainModelSpec"], schemas)]
    imports = (
        "from typing import Literal, NotRequired, Required, TypedDict\n\n"
        "from g2l.client.values import JsonObject"
    )
    about = "What can be asked of the service; fields that are not given get the service's defaults."
    return HEADER.format(about=about, imports=imports) + "\n\n".join(texts)


def _answers(schemas: dict[str, Schema]) -> str:
    names = [name for name in schemas if name.endswith("Out") and name not in UNASKED]
    imports = (
        "from dataclasses import dataclass\nfrom datetime import datetime\n\n"
        "from g2l.client.values import Answer, JsonObject, Problem"
    )
    about = "What the service tells, as values; their `body` is the whole answer."
    texts = [_dataclass(name, schemas[name]) for name in _ordered(names, schemas)]
    return HEADER.format(about=about, imports=imports) + "\n\n".join(texts)


def _typed_dict(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    # What tells one kind of request from another is said by the client's method.
    fields = {key: field for key, field in schema["properties"].items() if "const" not in field}
    fields = {key: fields[key] for key in sorted(fields, key=lambda key: key not in required)}
    documented = [(key, _about(field)) for key, field in fields.items() if _about(field)]
    doc = _docstring(schema["description"], documented)
    if any(not key.isidentifier() or key == "class" for key in fields):
        rows = [
            f'    "{key}": {_type(field) if key in required else f"NotRequired[{_type(field)}]"},'
            for key, field in fields.items()
        ]
        comment = textwrap.indent(textwrap.fill(schema["description"], WIDTH), "# ")
        return f'{comment}\n{name} = TypedDict("{name}", {{\n' + "\n".join(rows) + "\n})\n"
    rows = [
        f"    {key}: {f'Required[{_type(field)}]' if key in required else _type(field)}"
        for key, field in fields.items()
    ]
    return f"class {name}(TypedDict, total=False):\n{doc}\n" + "\n".join(rows) + "\n"


def _dataclass(name: str, schema: Schema) -> str:
    rows = [
        f"    {key}: {'Problem | None' if key == 'error' else _type(field, answer=True)}"
        for key, field in schema["properties"].items()
    ]
    documented = [
        (key, field["description"]) for key, field in schema["properties"].items() if "description" in field
    ]
    doc = _docstring(schema["description"], documented)
    head = f"@dataclass(frozen=True, kw_only=True)\nclass {_name(name)}(Answer):\n"
    return f"{head}{doc}\n" + "\n".join(rows) + "\n"


def _type(field: Schema, *, answer: bool = False) -> str:
    if "$ref" in field:
        return _name(_ref(field)) if answer else _ref(field)
    if arms := field.get("anyOf", field.get("oneOf")):
        return " | ".join(_type(arm, answer=answer) for arm in arms)
    if "enum" in field and not answer:
        return f"Literal[{', '.join(map(repr, field['enum']))}]"
    if "const" in field:
        return f"Literal[{field['const']!r}]"
    if field.get("format") == "date-time":
        return "datetime"
    if field.get("type") == "array":
        item = _type(field["items"], answer=answer)
        return f"tuple[{item}, ...]" if answer else f"list[{item}]"
    return TYPES[field["type"]]


def _merged(arms: list[Schema]) -> Schema:
    """One schema of the fields of several: what all want is required, and a constant becomes a choice."""
    fields: dict[str, Schema] = {}
    for arm in arms:
        for key, field in arm["properties"].items():
            if "const" in field:
                earlier = fields.get(key, {"enum": []})
                fields[key] = {"enum": [*earlier["enum"], field["const"]]}
            else:
                fields.setdefault(key, {**field, "defaults": {}})["defaults"][_kind(arm)] = field.get(
                    "default"
                )
    for field in fields.values():
        defaults: dict[str, Any] = field.get("defaults", {})
        if len(set(map(str, defaults.values()))) > 1:
            field["default"] = " or ".join(f"{value} ({kind})" for kind, value in defaults.items())
    required = set.intersection(*(set(arm.get("required", [])) for arm in arms)) & fields.keys()
    about = "A source model; `objective` says what it is trained for."
    return {"description": about, "properties": fields, "required": sorted(required - {"objective"})}


def _kind(arm: Schema) -> str:
    return str(next(field["const"] for field in arm["properties"].values() if "const" in field))


def _ordered(names: list[str], schemas: dict[str, Schema]) -> list[str]:
    """The names and those that they need, each after what it needs."""
    found: list[str] = []

    def visit(name: str) -> None:
        for needed in _refs(schemas[name]["properties"]):
            visit(needed)
        if name not in found:
            found.append(name)

    for name in names:
        visit(name)
    return found


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield _ref(node)
        for value in node.values():
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


def _about(field: Schema) -> str:
    default = field.get("default")
    words = [field.get("description", "").rstrip(".")]
    if default is not None and not isinstance(default, dict):
        words.append(f"by default {default}")
    return "; ".join(filter(None, words))


def _docstring(about: str, documented: list[tuple[str, str]]) -> str:
    about = about.split("\n\n")[0].replace("null", "None")
    lines = textwrap.wrap(f'"""{about}', WIDTH, break_on_hyphens=False)
    if documented:
        lines += ["", "Attributes:"]
        for key, words in documented:
            text = f"{key}: {words.replace('null', 'None')}."
            wrapped = textwrap.wrap(text, WIDTH - 4, subsequent_indent="    ", break_on_hyphens=False)
            lines += [f"    {line}" for line in wrapped]
    if len(lines) == 1:
        return f'    {lines[0]}"""\n'
    return textwrap.indent("\n".join([*lines, '"""']), "    ") + "\n"


def _name(schema: str) -> str:
    return NAMES.get(schema, schema.removesuffix("Out"))


def _ref(node: Schema) -> str:
    return str(node["$ref"]).rsplit("/", 1)[-1]


def _formatted(path: Path, text: str) -> str:
    for command in (("check", "--fix-only", "--select", "I,F401", "--quiet"), ("format",)):
        words = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
        text = done.stdout
    return text


def main() -> None:
    """Write the files, or check them."""
    behind = {path: text for path, text in written().items() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"{path.relative_to(ROOT)} is not up to date" for path in behind) or 0)
    for path, text in behind.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
