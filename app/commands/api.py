"""The API's process: `python -m app.commands.api DESCRIPTOR`, the descriptor of a listening socket."""

import socket
import sys

import uvicorn


def main() -> None:
    """Serve until told to stop; streams that are open then get two seconds."""
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        log_config=None,  # the factory's own
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    # The socket is the parent's: when this process is replaced, clients wait instead of being refused.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
