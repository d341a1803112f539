"""Takes out of a base image what a Python program needs, and nothing else: no shell, no package manager, no compiler.

    python3 root.py BASE ROOT FOLDER...        BASE: the base image's root; ROOT: the new one; FOLDER: where programs lie

Python itself (where it lies on the machine this runs on, which must be the base's sibling), the shared libraries that it and
everything compiled in each FOLDER ask for, certificates of authorities, time zones, names of users, and what the C library
reads. Nothing of the base is run, so it may be of another processor. What was taken is listed by package under
``var/lib/dpkg/status.d``, as scanners look for it, with each package's licence.

    python3 root.py BASE ROOT FOLDER... --over IMAGE [--also PATTERN]...

For a further layer: only libraries that the root of the other IMAGE has not, and what else is named by patterns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

#: What else is read while it runs, as patterns below the base's root.
READ = (
    *("etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/host.conf", "etc/gai.conf", "etc/services", "etc/protocols"),
    *("etc/ld.so.conf", "etc/ld.so.conf.d", "etc/ld.so.cache", "etc/localtime", "etc/timezone", "etc/mime.types"),
    *("etc/os-release", "etc/debian_version", "etc/ssl", "usr/lib/ssl", "usr/share/ca-certificates"),
    *("usr/share/zoneinfo", "usr/lib/locale/C.utf8"),
)

#: Parts of Python's own library for making, testing and teaching programs, and for terminals and tables of other days.
LEFT_OUT = frozenset(
    [
        "test",
        "idlelib",
        "tkinter",
        "turtledemo",
        "turtle.py",
        "lib2to3",
        "ensurepip",
        "distutils",
        "pydoc_data",
        "venv",
        "__pycache__",
    ]
)
MODULES_LEFT_OUT = ("_tkinter", "_curses", "readline", "nis", "_dbm", "_gdbm", "_crypt", "ossaudiodev", "_test", "_xx", "xx")

#: The C library loads these by name.
LOADED = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")

#: Where a runtime mounts or programs write, with their rights.
PLACES = {"dev": 0o755, "proc": 0o755, "sys": 0o755, "run": 0o755, "root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}


class Root:
    """The new root *to*, filled from the one below *base*."""

    def __init__(self, base: Path, to: Path, over: Path | None = None) -> None:
        self._base, self._to, self._over = base, to, over
        self.taken: set[str] = set()

    def begin(self) -> None:
        """The empty tree: links of a merged ``/usr`` stay links."""
        for path in self._base.iterdir():
            if path.is_symlink():
                (self._to / path.name).symlink_to(path.readlink())
        for name, mode in PLACES.items():
            (self._to / name).mkdir(parents=True, exist_ok=True)
            (self._to / name).chmod(mode)

    def take(self, name: str) -> None:
        """A file, a folder with everything in it, or a link with what it leads to; what is not there is passed over."""
        name = self._real(name)
        path, target = self._base / name, self._to / name
        if name in self.taken or not (path.is_symlink() or path.exists()):
            return
        if self._over is not None and not path.is_dir() and os.path.lexists(self._over / name):
            return
        self.taken.add(name)
        if path.is_dir() and not path.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            for one in path.iterdir():
                self.take(f"{name}/{one.name}")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.is_symlink() or target.exists()):
            shutil.copy2(path, target, follow_symlinks=False)
        if path.is_symlink():
            led = path.readlink()
            self.take(os.path.normpath(led.relative_to("/") if led.is_absolute() else Path(name).parent / led))

    def _real(self, name: str) -> str:
        """The same place without links of folders in its path (``lib/x`` is ``usr/lib/x`` in a merged ``/usr``)."""
        done = Path()
        for part in Path(name).parent.parts:
            done /= part
            for _ in range(40):
                if not (self._base / done).is_symlink():
                    break
                led = (self._base / done).readlink()
                done = Path(os.path.normpath(led.relative_to("/") if led.is_absolute() else done.parent / led))
        return str(done / Path(name).name)

    def library(self, name: str) -> bool:
        """Takes the shared library of that name from where the loader looks for it; whether it is there."""
        for folder in ("usr/local/lib", "lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib64", "lib", "usr/lib"):
            for path in sorted(self._base.glob(f"{folder}/{name}")):
                self.take(str(path.relative_to(self._base)))
                return True
        return False

    def close_over(self, *folders: Path) -> None:
        """Takes the libraries that everything compiled in the new root and in *folders* asks for, and what these ask for."""
        looked: set[Path] = set()
        bundled = {path.name for folder in folders for path in folder.rglob("*.so*")}
        while new := {path for folder in (self._to, *folders) for path in _files(folder)} - looked:
            looked |= new
            for path in sorted(new):
                for name in needed(path):
                    if name.startswith("/"):
                        self.take(name.lstrip("/"))
                    elif name not in bundled and not self.library(name):
                        sys.exit(f"root.py: {path} needs {name}, which the base has not")

    def list_packages(self) -> None:
        """Which packages of Debian what was taken belongs to, one file each, with their licences."""
        for listed in sorted(self._base.glob("var/lib/dpkg/info/*.list")):
            package = listed.name.removesuffix(".list").partition(":")[0]
            owned = {self._real(line.lstrip("/")) for line in listed.read_text(encoding="utf-8").splitlines() if line != "/."}
            if any((self._to / name).is_file() for name in owned & self.taken):
                target = self._to / "var/lib/dpkg/status.d" / package
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self._paragraph(package), encoding="utf-8")
                self.take(f"usr/share/doc/{package}/copyright")

    def _paragraph(self, package: str) -> str:
        status = (self._base / "var/lib/dpkg/status").read_text(encoding="utf-8")
        return next(one for one in status.split("\n\n") if one.startswith(f"Package: {package}\n")) + "\n"


def take_python(root: Root, base: Path) -> None:
    """The interpreter and the part of its library that a program uses."""
    interpreter = Path(sys.executable).resolve()
    for name in ("python3", interpreter.name):
        root.take(str(interpreter.with_name(name).relative_to("/")))
    stdlib = Path(sysconfig.get_path("stdlib")).relative_to("/")
    for path in sorted((base / stdlib).iterdir()):
        if path.name == "lib-dynload":
            for module in sorted(path.iterdir()):
                if not module.name.startswith(MODULES_LEFT_OUT):
                    root.take(str(stdlib / path.name / module.name))
        elif path.name not in LEFT_OUT and not path.name.startswith(("config-", "site-packages", "dist-packages")):
            for one in sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]:
                if "__pycache__" not in one.parts and "tests" not in one.parts and (one.is_symlink() or one.is_file()):
                    root.take(str(one.relative_to(base)))


def needed(path: Path) -> Iterator[str]:
    """The shared libraries that a 64-bit little-endian ELF file asks for: names, and the path of the loader."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return
    data = path.read_bytes()
    (headers,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, headers + number * size) for number in range(count)]
    loaded = [(address, address + length, offset) for kind, _, offset, address, _, length in segments if kind == 1]

    def text(start: int) -> str:
        return data[start : data.index(b"\0", start)].decode()

    for kind, _, offset, _, _, length in segments:
        if kind == 3:
            yield text(offset)
        if kind == 2:
            entries = list(struct.iter_unpack("<QQ", data[offset : offset + length]))
            strings = next(value for tag, value in entries if tag == 5)
            at = next(strings - first + place for first, last, place in loaded if first <= strings < last)
            yield from (text(at + value) for tag, value in entries if tag == 1)


def _files(folder: Path) -> Iterator[Path]:
    return (
        Path(where) / name
        for where, _, names in os.walk(folder)
        for name in names
        if not (Path(where) / name).is_symlink() and (".so" in name or "bin" in Path(where).parts)
    )


def main() -> None:
    """See the module."""
    usage = argparse.ArgumentParser()
    usage.add_argument("base", type=Path)
    usage.add_argument("root", type=Path)
    usage.add_argument("folders", type=Path, nargs="+")
    usage.add_argument("--over", type=Path)
    usage.add_argument("--also", action="append", default=[])
    given = usage.parse_args()
    root = Root(given.base, given.root, given.over)
    for pattern in given.also:
        for path in sorted(given.base.glob(pattern)):
            root.take(str(path.relative_to(given.base)))
    if given.over is None:
        root.begin()
        take_python(root, given.base)
        for name in READ:
            root.take(name)
        for name in LOADED:
            root.library(name)
    root.close_over(*given.folders)
    root.list_packages()


if __name__ == "__main__":
    main()
