"""Free ports, for servers that are told which one to take."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

_LUCK = random.SystemRandom()


def free_port() -> int:
    """A port of loopback that nobody has. None of those that the kernel gives to outgoing connections: until the server takes it
    seconds may pass, and a test run makes thousands of those."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    ports = [port for port in range(10_000, 65_536) if not first <= port <= last] or range(10_000, 65_536)
    while True:
        port = _LUCK.choice(ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
