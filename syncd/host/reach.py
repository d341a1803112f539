"""Whether a service's port can be reached from here, and what is in the way when it cannot: name, refusal, silence."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

#: A handshake across the world takes a third of a second; whoever takes longer than this drops what we send.
CONNECT_SECONDS = 5.0


async def obstacle(host: str, port: int, seconds: float = CONNECT_SECONDS) -> str:
    """What keeps a TCP connection from being made, with what to do; empty when one was made. Sends nothing."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return (
            f"{host}:{port} does not answer within {seconds:.0f} s: a firewall drops it; open outgoing TCP {port} to {host}, "
            "or name a proxy"
        )
    except socket.gaierror as error:
        return f"the name {host} cannot be resolved ({error.strerror}): correct it, or look at this machine's DNS"
    except ConnectionRefusedError:
        return f"{host}:{port} refuses connections: nothing listens there, or a firewall rejects them"
    except OSError as error:
        why = error.strerror or os.strerror(error.errno or 0)
        return f"{host}:{port} cannot be reached ({why}): look at routes and firewalls for outgoing TCP {port}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""


def listening_obstacle(host: str, port: int) -> tuple[bool, str]:
    """(whether a server could start there now or is there already, what is in the way)."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        return False, f"{host} is no name of this machine ({error.strerror})"
    with socket.socket(found[0], found[1]) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(found[4])
            trial.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return taken, "it is in use: by a daemon that runs already, or by something else" if taken else str(error.strerror)
    return True, ""
