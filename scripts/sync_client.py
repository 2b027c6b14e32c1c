"""Write g2l/client/sync from g2l/client/aio, where the client's one source is: `make generate`.

As httpcore and elasticsearch do it: words are replaced (`await` goes, `AsyncClient` becomes `Client`), then
ruff sorts the imports and formats. `--check` writes nothing and fails if a file is not up to date.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, TARGET = ROOT / "g2l/client/aio", ROOT / "g2l/client/sync"
HEADER = "# Written by scripts/sync_client.py from g2l/client/aio/{name}; edit that, then `make generate`.\n"
WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),  # AsyncClient, AsyncIterator
    (r"\basync_(?=[a-z])", ""),  # async_sleep
    (r"\basync client\b", "client"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\baclosing\b", "closing"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\baiter_(bytes|raw)\b", r"iter_\1"),
    (r"\banext\b", "next"),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\bg2l\.client\.aio\b", "g2l.client.sync"),
)


def synchronous(source: Path) -> str:
    """The text of the module of the sync client that belongs to one of the async client."""
    text = source.read_text()
    if not text:
        return ""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    target = str(TARGET / source.name)
    for command in (("check", "--fix-only", "--select", "I", "--quiet"), ("format",)):
        words = [sys.executable, "-m", "ruff", *command, "--stdin-filename", target, "-"]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
        text = done.stdout
    return HEADER.format(name=source.name) + text


def stale() -> list[Path]:
    """The files of the sync client that are not what their sources say, and those without a source."""
    wanted = {TARGET / source.name: synchronous(source) for source in SOURCE.glob("*.py")}
    there = set(TARGET.glob("*.py"))
    return sorted(
        path for path in wanted.keys() | there if path not in there or wanted.get(path) != path.read_text()
    )


def main() -> None:
    """Write the files, or check them."""
    behind = stale()
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"{path.relative_to(ROOT)} is not up to date" for path in behind) or 0)
    TARGET.mkdir(exist_ok=True)
    for path in behind:
        source = SOURCE / path.name
        if source.exists():
            path.write_text(synchronous(source))
        else:
            path.unlink()


if __name__ == "__main__":
    main()
