"""The life of a job, as data."""

from typing import Final, Literal, get_args

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)
FINISHED: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled"})
RETRYABLE: Final[frozenset[str]] = frozenset({"failed", "cancelled"})

# event -> (states it may start from, state it ends in); `transitions` has one statement for each
TRANSITIONS: Final[dict[str, tuple[frozenset[str], State]]] = {
    "claim": (frozenset({"queued"}), "running"),
    "succeed": (frozenset({"running"}), "succeeded"),
    "fail": (frozenset({"running"}), "failed"),
    "hand-back": (frozenset({"running"}), "queued"),
    "wait": (frozenset({"running"}), "running"),  # for its shards: it has no worker until it is woken
    "wake": (frozenset({"running"}), "queued"),
    "crash": (frozenset({"running"}), "queued"),
    "crash-too-often": (frozenset({"running"}), "failed"),
    "cancel": (frozenset({"queued", "running"}), "cancelled"),
    "retry": (RETRYABLE, "queued"),
}
