"""Who needs what: a resource or an unfinished job keeps what it names from being deleted."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.db.resources import RESOURCE_TABLES, Use
from core.errors import InvalidRequestError


def take(session: Session, user_id: str, used_ids: Iterable[str]) -> None:
    """Note that `user_id` needs resources; a deletion under way is waited for.

    Raises:
        InvalidRequestError: one of them is gone.
    """
    used = sorted(set(used_ids))
    if not used:
        return
    if gone := sorted(set(used) - _locked(session, used)):
        raise InvalidRequestError(f"{', '.join(gone)} is needed, and was deleted.")
    rows = [{"user_id": user_id, "used_id": used_id} for used_id in used]
    session.execute(insert(Use).values(rows).on_conflict_do_nothing())


def release(session: Session, user_id: str) -> None:
    """Forget what `user_id` needed."""
    session.execute(delete(Use).where(Use.user_id == user_id))


def _locked(session: Session, ids: list[str]) -> set[str]:
    by_prefix: dict[str, list[str]] = defaultdict(list)
    for id_ in ids:
        by_prefix[id_.partition("_")[0]].append(id_)
    found: set[str] = set()
    for prefix, wanted in by_prefix.items():
        if (table := RESOURCE_TABLES.get(prefix)) is not None:
            rows = select(table.id).where(table.id.in_(wanted)).order_by(table.id)
            found.update(session.scalars(rows.with_for_update(read=True, key_share=True)))
    return found
