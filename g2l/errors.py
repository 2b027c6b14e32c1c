"""The root of every error that the method raises."""

from typing import ClassVar


class G2LError(ValueError):
    """A request that the method cannot serve, said so that its reader can mend it.

    Attributes:
        code: stable kebab-case name; the service's problem type ends in it.
        title: the same for every occurrence.
        field: the parameter to blame, by the name that specs use; None if no single one is.
    """

    code: ClassVar[str] = "method-error"
    title: ClassVar[str] = "The method cannot serve this request"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class TeamLostError(RuntimeError):
    """A process of the training has died, as this one might have; nothing is wrong with the request."""
