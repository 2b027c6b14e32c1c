"""The table of uploads that are sent in pieces, until a job takes them in."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, Timestamped


class PendingUpload(Timestamped, Base):
    """A file of which `offset` bytes are on the disk for good; what lies beyond them is cut off."""

    __tablename__ = "pending_uploads"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    filename: Mapped[str] = mapped_column(String(255))
    bytes: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger, server_default="0")
    upload_metadata: Mapped[str] = mapped_column(server_default="")  # as the client sent it
    expires_at: Mapped[datetime] = mapped_column(index=True)
