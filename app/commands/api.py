"""The API's process: `python -m app.commands.api [DESCRIPTOR]`, of a socket that listens already.

Without one it listens where G2L_HOST and G2L_PORT say.
"""

import socket
import sys

import uvicorn

from core.settings import get_settings


def main() -> None:
    """Serve until told to stop; streams that are open then get two seconds."""
    settings = get_settings()
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,  # the factory's own
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    # A socket is the parent's: when this process is replaced, clients wait instead of being refused.
    sockets = [socket.socket(fileno=int(word)) for word in sys.argv[1:]]
    uvicorn.Server(config).run(sockets=sockets or None)


if __name__ == "__main__":
    main()
