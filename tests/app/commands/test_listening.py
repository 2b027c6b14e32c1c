"""Where the API may be bound, and what its address is called."""

import socket

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from app.commands import keys
from app.commands.listening import (
    AddressError,
    NoKeyError,
    address_of,
    listen,
    near_address_of,
    require_key_unless_loopback,
)


def test_port_zero_takes_a_free_one() -> None:
    with listen("localhost", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert address_of(listener, "localhost") == f"http://localhost:{port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_addresses_of_version_6_are_bracketed() -> None:
    try:
        listener = listen("::1", 0)
    except AddressError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_all_addresses_are_reached_by_loopback() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert near_address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("host", "port"), [("no such host", 0), ("192.0.2.1", 0)])
def test_a_host_that_is_not_ours_is_refused(host: str, port: int) -> None:
    with pytest.raises(AddressError, match="--host"):
        listen(host, port)


def test_a_taken_port_is_refused() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(AddressError, match="--port"):
        listen("127.0.0.1", first.getsockname()[1])


def test_a_key_ever_made_lets_us_leave_loopback(database_url: str) -> None:
    with listen("127.0.0.1", 0) as loopback, listen("0.0.0.0", 0) as everywhere:
        require_key_unless_loopback(loopback, database_url)
        with pytest.raises(NoKeyError, match="g2l keys create"):
            require_key_unless_loopback(everywhere, database_url)
        engine = create_engine(database_url)
        with Session(engine) as session, session.begin():
            keys.create(session, "me")
        engine.dispose()
        require_key_unless_loopback(everywhere, database_url)
