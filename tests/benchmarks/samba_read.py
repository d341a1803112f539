"""How long a whole read of a real domain takes, beside ldapsearch asking the same, and what the time goes into.

    python -W ignore -m tests.benchmarks.samba_read [--users 20000]

Makes a domain with so many people (once, in .cache; about 2 s for each thousand), all but a tenth in one group, reads it
three times each way and prints the best of each. Needs root and the Samba packages (tests/adlab/README.md).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import gc
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from syncd.directories.active_directory.people import PEOPLE_FILTER, attributes_to_ask
from syncd.directories.active_directory.reader import ActiveDirectory
from syncd.directories.active_directory.transport import Line
from tests.adlab import lab
from tests.adlab.lab import Lab
from tests.real.samba_world import SambaDirectory

ROUNDS = 3
Cost = tuple[float, float]  # seconds by the clock, seconds of processor in the client


def main() -> int:
    """Prints the comparison; 2 when no lab can be started here."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--users", type=int, default=int(os.environ.get("SAMBA_PEOPLE") or 20_000))
    users = options.parse_args().users
    reason = lab.missing()
    if reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    members = users * 9 // 10
    with tempfile.TemporaryDirectory() as folder, lab.running(Path(folder) / "dc", lab.template(users, members)) as domain:
        before_mib = _peak_mib()
        first = _read(domain)
        after_mib = _peak_mib()
        theirs = min(_ldapsearch(domain) for _ in range(ROUNDS))
        ours = min(first, *(_read(domain) for _ in range(ROUNDS - 1)))
        lines = [
            f"{users} people, {members} in the group, pages of 1,000, LDAPS; best of {ROUNDS}",
            f"  ldapsearch   {theirs[0]:6.2f} s   processor {theirs[1]:6.2f} s",
            (
                f"  syncd        {ours[0]:6.2f} s   processor {ours[1]:6.2f} s   {ours[0] / theirs[0]:.2f} times as long; "
                f"{ours[1] / users * 1e6:.0f} µs of processor a person"
            ),
            (
                f"  memory: {_size_mib(domain):.0f} MiB for the directory once it is read, "
                f"{after_mib - before_mib:.0f} MiB more for the process while it reads"
            ),
            "What the processor does in one read:",
            *(f"  {share:4.0%}  {where}" for share, where in _profile(domain)),
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _ldapsearch(domain: Lab) -> Cost:
    """The same two questions: everybody with the same attributes, and the group's members."""
    attributes = attributes_to_ask(("mail", "userPrincipalName", "proxyAddresses"))
    with _timed_children() as cost:
        for filter_, wanted in ((PEOPLE_FILTER, attributes), ("(sAMAccountName=zoom-flat)", ("member",))):
            subprocess.run(
                [
                    "ldapsearch",
                    "-LLL",
                    "-x",
                    "-H",
                    domain["URI"],
                    "-D",
                    domain["SVC_DN"],
                    "-w",
                    domain["SVC_PASSWORD"],
                    "-E",
                    "pr=1000/noprompt",
                    "-b",
                    domain["BASE_DN"],
                    filter_,
                    *wanted,
                ],
                stdout=subprocess.DEVNULL,
                check=True,
                env={**os.environ, "LDAPTLS_CACERT": domain["CA_FILE"], "LDAPRC": "/dev/null"},
            )
    return cost[0], cost[1]


@contextlib.contextmanager
def _timed_children() -> Iterator[list[float]]:
    cost: list[float] = []
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield cost
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost += [time.perf_counter() - begun, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime]


def _read(domain: Lab) -> Cost:
    begun, before = time.perf_counter(), time.process_time()
    asyncio.run(SambaDirectory(domain).read())
    return time.perf_counter() - begun, time.process_time() - before


def _size_mib(domain: Lab) -> float:
    """What a directory that was read holds."""
    directory: ActiveDirectory = SambaDirectory(domain)
    tracemalloc.start()
    snapshot = directory._first_good(lambda session: directory._read(session, lambda _: None), Line(), lambda _: None)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    assert snapshot.people
    return size


def _profile(domain: Lab) -> list[tuple[float, str]]:
    """The ten functions with the largest share of the time that is not waiting for the server."""
    directory: ActiveDirectory = SambaDirectory(domain)
    profile = cProfile.Profile()
    profile.enable()
    directory._first_good(lambda session: directory._read(session, lambda _: None), Line(), lambda _: None)
    profile.disable()
    spent = {
        f"{Path(file).name}:{line} {name}" if line else name: row[2]
        for (file, line, name), row in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
        if "_ssl._SSLSocket" not in name
    }
    whole = sum(spent.values())
    return [(seconds / whole, where) for where, seconds in sorted(spent.items(), key=lambda item: -item[1])[:10]]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
