"""A port that stays a test's own while the server on it is gone and comes back."""

from __future__ import annotations

import socket

__all__ = ["held_port"]


def held_port() -> tuple[socket.socket, int]:
    """A free port of loopback, and what holds it until it is closed.

    Servers that set SO_REUSEADDR listen on it meanwhile; nobody else is given it, and without a server
    connections to it are refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    return holder, port
