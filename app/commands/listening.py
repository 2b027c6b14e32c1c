"""The socket that the API serves, bound before anything is started, and where it may be bound."""

import ipaddress
import socket

from sqlalchemy import create_engine, exists, select

from core.db.jobs import ApiKey
from core.errors import ServiceError


class AddressError(ServiceError):
    """The address cannot be bound."""

    code = "address"
    title = "The address cannot be bound"


class NoKeyError(ServiceError):
    """Others could reach a service that asks nobody for a key."""

    code = "no-api-key"
    title = "No API key exists"


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes a free one.

    Raises:
        AddressError: the host is unknown or not ours, or the port is taken or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        why = error.strerror or str(error)
        raise AddressError(
            f"cannot serve {host}:{port}: {why}; give another --port (0: any) or --host"
        ) from None


def address_of(listener: socket.socket, host: str | None = None) -> str:
    """The URL of a listening socket, by the name that was asked for."""
    bound, port = listener.getsockname()[:2]
    name = host or bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def near_address_of(listener: socket.socket) -> str:
    """The URL at which this machine itself reaches the socket."""
    bound = ipaddress.ip_address(listener.getsockname()[0])
    if bound.is_unspecified:
        return address_of(listener, "::1" if bound.version == 6 else "127.0.0.1")
    return address_of(listener)


def require_key_unless_loopback(listener: socket.socket, database_url: str) -> None:
    """Refuse to be reached from elsewhere while no key was ever made: everyone could do everything.

    Raises:
        NoKeyError: the socket is not on loopback, and there is no key.
    """
    if ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        return
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            made = connection.scalar(select(exists().select_from(ApiKey)))
    finally:
        engine.dispose()
    if not made:
        raise NoKeyError(
            f"{address_of(listener)} can be reached from elsewhere, and no API key exists: make one with"
            " `g2l keys create NAME`, or pass --insecure-no-auth to let everyone in"
        )
