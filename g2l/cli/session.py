"""Around every command: the service's address, `--json`, and what errors become.

Exit codes: 0 done; 1 the service refused, or the job failed; 2 the command was used wrongly; 3 nobody
answers at the service's address; 130 interrupted.
"""

import inspect
from collections.abc import Callable
from functools import cached_property, partial, wraps
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec

import typer

from g2l.cli.output import note, print_json, print_problem
from g2l.client.errors import ClientError, JobFailedError, UnreachableError
from g2l.client.job_answers import JobAnswer
from g2l.client.packing import PackingError
from g2l.client.values import JsonObject, Problem

if TYPE_CHECKING:
    from g2l.client.sync.client import Client

REFUSED, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130
PANEL = "Service"
RETRY_HELPS = frozenset({"internal-error", "worker-lost", "stage-failed"})

AsJson = Annotated[
    bool,
    typer.Option("--json", help="JSON on stdout; progress stays on stderr.", rich_help_panel=PANEL),
]
Url = Annotated[
    str | None,
    typer.Option("--url", envvar="G2L_URL", help="The service's address.", rich_help_panel=PANEL),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="G2L_API_KEY", help="The key to show there.", rich_help_panel=PANEL),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is made, or print the job.")]
P = ParamSpec("P")


class UsageError(ClientError):
    """A command whose words do not fit together."""

    def __init__(self, detail: str) -> None:
        super().__init__(Problem("/problems/usage", "The command was used wrongly", detail=detail))


class Session:
    """What a command works with."""

    def __init__(self, url: str | None, api_key: str | None, *, as_json: bool) -> None:
        self._url = url
        self._api_key = api_key
        self.as_json = as_json

    @cached_property
    def client(self) -> "Client":
        """The service."""
        from g2l.client.sync.client import Client

        return Client(self._url, self._api_key)

    def show(self, body: JsonObject, human: Callable[[], None]) -> None:
        """Print an answer: as JSON, or as `human` prints it."""
        if self.as_json:
            print_json(body)
        else:
            human()

    def attempt(self, work: Callable[[], None]) -> int:
        """Do a command's work; its exit code."""
        try:
            work()
        except ClientError as error:
            print_problem(error.problem, as_json=self.as_json, hint=_hint(error))
            return _code(error)
        except BrokenPipeError:
            raise  # whoever reads us has had enough; typer ends quietly
        except OSError as error:
            problem = Problem("/problems/file", "A file cannot be used", detail=str(error))
            print_problem(problem, as_json=self.as_json)
            return REFUSED
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            if "client" in vars(self):  # it was used
                self.client.close()
        return 0


def _code(error: ClientError) -> int:
    if isinstance(error, UnreachableError):
        return UNREACHABLE
    return USAGE if isinstance(error, UsageError | PackingError) else REFUSED


def _hint(error: ClientError) -> str | None:
    if isinstance(error, UnreachableError):
        return "start a service with `g2l serve`, or name one with --url or G2L_URL"
    if error.problem.status == 401:
        return "show a key with --api-key or G2L_API_KEY; `g2l keys create` makes one where the service runs"
    if isinstance(error, JobFailedError) and error.problem.code in RETRY_HELPS:
        return f"go on from its last checkpoint with `g2l jobs retry {error.job.id}`"
    return None


def goes_on(job: JobAnswer) -> None:
    """Tell whoever interrupts a command that the job does not stop with it."""
    note(f"interrupted; the job goes on in the service: {job.id}")
    note(f"  g2l jobs wait {job.id}     waits for it again")
    if job.kind == "pipeline":
        note(f"  g2l run {job.id}           waits for it and fetches what it made")
    note(f"  g2l jobs cancel {job.id}   stops it")


def command(
    group: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Register a function as a command that gets a `Session`, with the options that every command has."""

    def register(
        function: Callable[Concatenate[Session, P], None],
    ) -> Callable[Concatenate[Session, P], None]:
        group.command(name)(_with_common_options(function))
        return function

    return register


def _with_common_options(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    own: Callable[..., None] = function

    @wraps(function)
    def run(*, as_json: bool, url: str | None, api_key: str | None, **given: object) -> None:
        session = Session(url, api_key, as_json=as_json)
        raise typer.Exit(session.attempt(partial(own, session, **given)))

    # Typer reads a command's options from its signature: here the function's, less the session, and ours.
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    for name, default, annotation in (
        ("as_json", False, AsJson),
        ("url", None, Url),
        ("api_key", None, ApiKey),
    ):
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run
