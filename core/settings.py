"""Every knob of the service, read once at start from ``G2L_*`` variables."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """The service's configuration; each field is also a row of ``docs/settings.md``."""

    model_config = SettingsConfigDict(env_prefix="G2L_", frozen=True, env_ignore_empty=True)

    home: Path = Field(Path.home() / ".g2l", description="Folder of everything this service keeps.")
    database_url: str | None = Field(
        None, description="PostgreSQL to use; unset: `g2l serve` starts a private one under the home."
    )
    redis_url: str | None = Field(
        None, description="Redis to use as broker; unset: `g2l serve` starts a private one under the home."
    )
    store_url: str | None = Field(
        None,
        description="Bucket that machines share, as `s3://bucket/prefix`; unset: all is in the home alone.",
    )
    host: str = Field("127.0.0.1", description="Address that the API binds.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the API binds; 0 takes a free one.")
    insecure_no_auth: bool = Field(
        False,
        description="Serve other hosts although no API key exists. Anyone who reaches the port may use it.",
    )
    uri_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders below which `file://` dataset URIs are allowed, separated by `:`."
    )
    past_transfers: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Transfers of other services that forecasts learn from too, as studies write them "
        "(`transfers.parquet`), separated by `:`.",
    )
    max_upload_bytes: int = Field(1 << 40, ge=1, description="Largest accepted upload, in bytes.")
    max_items: int = Field(10_000_000, ge=1, description="Most items that one dataset may hold.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes that `g2l serve` starts.")
    training_processes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Processes that train one source together; unset: one for each GPU of a worker, or one.",
    )
    shard_images: int = Field(
        4096,
        ge=256,
        multiple_of=256,
        description="Images that one job embeds: of more, each so many are a job of their own.",
    )
    lease_seconds: float = Field(
        10.0, ge=1, le=3600, description="A running job whose worker stays silent this long is queued again."
    )
    beat_seconds: float = Field(1.0, gt=0, le=600, description="How often a worker renews its lease.")
    stall_seconds: float = Field(
        3600.0, ge=10, description="A job that reports no progress for this long is stopped and queued again."
    )
    max_crashes: int = Field(
        3,
        ge=1,
        le=1000,
        description="A job that has lost its worker this often fails instead of running again.",
    )
    idempotency_hours: float = Field(48.0, ge=24, description="How long answers to keyed requests are kept.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("uri_roots", "past_transfers", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return tuple(part for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("store_url", mode="after")
    @classmethod
    def _is_a_bucket(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"s3://[^/\s]+(/[^/\s]+)*/?", value):
            raise ValueError(f"give s3://bucket or s3://bucket/prefix; got {value}")
        return value

    @field_validator("past_transfers", mode="after")
    @classmethod
    def _are_there(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if absent := [str(path) for path in value if not path.is_file()]:
            raise ValueError(f"give files that are there; {', '.join(absent)} is none")
        return tuple(path.absolute() for path in value)

    @field_validator("home", mode="after")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def store(self) -> Path:
        """The folder that holds artifacts and uploads."""
        return self.home / "store"

    def require_database_url(self) -> str:
        """The database's URL, where something else (`g2l serve`, compose) must have set it."""
        if self.database_url is None:
            raise RuntimeError("G2L_DATABASE_URL is not set; run `g2l serve`, or name your PostgreSQL")
        return self.database_url

    def require_redis_url(self) -> str:
        """The broker's URL, where something else (`g2l serve`, compose) must have set it."""
        if self.redis_url is None:
            raise RuntimeError("G2L_REDIS_URL is not set; run `g2l serve`, or name your Redis")
        return self.redis_url


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()
