"""The Samba lab for Python tests: a seeded domain kept as a template, and copies of it that run while a test needs them.

Making the template takes some 15 s and is done once for each version of the scripts, in ``.cache`` at the project's root
(or below ``$SYNCD_TEST_CACHE``); a copy starts in under a second on a loopback address of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = ("samba", "samba-tool", "ldbmodify", "ldbadd", "ldbsearch", "ldapsearch", "openssl", "flock")
USERS, FLAT = 5000, 3500


@dataclass(frozen=True)
class Lab:
    """A running domain controller. *values* are the lines that ``start`` prints."""

    folder: Path
    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def pid(self) -> int:
        """The process to stop and to let go on (SIGSTOP, SIGCONT)."""
        return int(self.values["PID"])

    def stop(self) -> None:
        """Ends the controller; its data stay until the end of ``running``."""
        _run("stop", str(self.folder))

    def modify(self, ldif: str) -> None:
        """Changes the directory at once, whatever the rights, also while it runs."""
        self._ldb("ldbmodify", ldif)

    def add(self, ldif: str) -> None:
        """Adds entries; many of them quickly."""
        self._ldb("ldbadd", ldif)

    def _ldb(self, tool: str, ldif: str) -> None:
        done = subprocess.run(
            [tool, f"--configfile={self['SMB_CONF']}", "-H", self["SAM_LDB"], "-o", "batch_mode:1"],
            input=ldif,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def samba_tool(self, *words: str) -> str:
        """What samba-tool answers."""
        return subprocess.run(
            ["samba-tool", *words, "-s", self["SMB_CONF"], "-H", self["SAM_LDB"]], capture_output=True, text=True, check=True
        ).stdout

    def ldapsearch(self, filter_: str, attribute: str = "dn", base: str | None = None) -> list[str]:
        """The values of one attribute (or the DNs) of everything that fits, as OpenLDAP's client sees it over LDAPS."""
        command = [
            "ldapsearch",
            "-LLL",
            "-o",
            "ldif-wrap=no",
            "-x",
            "-H",
            self["URI"],
            "-D",
            self["SVC_DN"],
            "-w",
            self["SVC_PASSWORD"],
            "-E",
            "pr=1000/noprompt",
            "-b",
            base or self["BASE_DN"],
            filter_,
            attribute,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LDAPTLS_CACERT": self["CA_FILE"], "LDAPRC": "/dev/null"},
        )
        return [
            line.partition(":")[2].strip()
            for line in done.stdout.splitlines()
            if line.lower().startswith(f"{attribute.lower()}:")
        ]


def missing() -> str:
    """Why no lab can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "the Samba lab needs root (ports below 1024)"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"the Samba lab needs {', '.join(absent)}: see tests/adlab/README.md" if absent else ""


def free_address() -> str:
    """A loopback address on which nothing answers LDAP yet."""
    for number in range(1, 250):
        address = f"127.{60 + os.getpid() % 60}.{os.getpid() // 60 % 250}.{number}"
        with contextlib.suppress(OSError), socket.create_server((address, 389)), socket.create_server((address, 636)):
            return address
    raise RuntimeError("no loopback address with free LDAP ports")


def template(users: int = USERS, flat: int = FLAT) -> Path:
    """A stopped lab with so many people, *flat* of them in the group zoom-flat. One process makes it, others wait."""
    version = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("start", "seed"))).hexdigest()[:8]
    cache = Path(os.environ.get("SYNCD_TEST_CACHE", HERE.parent.parent / ".cache")).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    name = f"adlab-{version}-{users}-{flat}"
    folder, whole = cache / name, cache / f"{name}.whole"
    with (cache / "adlab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            _run("stop", "--wipe", str(folder))
            _run("start", str(folder), ADLAB_ADDR=free_address())
            _run("seed", str(folder), "--users", str(users), "--flat", str(flat))
            _run("stop", str(folder))
            whole.touch()
    return folder


@contextlib.contextmanager
def running(folder: Path, seeded: Path) -> Iterator[Lab]:
    """A copy of the domain *seeded* in *folder*, running until the end of the block, then deleted."""
    try:
        lines = _run("start", str(folder), ADLAB_ADDR=free_address(), ADLAB_TEMPLATE=str(seeded)).splitlines()
        yield Lab(folder, dict(line.split("=", 1) for line in lines))
    finally:
        _run("stop", "--wipe", str(folder))


def _run(script: str, *words: str, **environment: str) -> str:
    done = subprocess.run([HERE / script, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment})
    if done.returncode:
        raise RuntimeError(f"{script} failed:\n{done.stderr[-2000:]}")
    return done.stdout
