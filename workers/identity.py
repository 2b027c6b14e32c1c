"""Who this worker process is, to the database."""

import os
import secrets
import socket
import subprocess

WORKER_ID = f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"


def device() -> str:
    """What jobs run on here, asked without loading torch."""
    cores = f"{len(os.sched_getaffinity(0))} CPU cores"
    question = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return cores
    names = [line.strip() for line in answer.splitlines() if line.strip()]
    return (f"{len(names)} x {names[0]}, {cores}" if names else cores)[:100]
