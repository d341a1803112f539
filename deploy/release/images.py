"""OCI archives of the image for several architectures, by buildah; nothing is emulated, as the last stage runs nothing.

The same commit, base and locks give the same bytes: files and layers carry the commit's time, wheels are chosen by hash.
"""

from __future__ import annotations

import platform
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Of which every locked wheel exists.
ARCHITECTURES = ("amd64", "arm64")

#: The architecture of this machine.
HOST = {"aarch64": "arm64"}.get(platform.machine(), "amd64")


@dataclass(frozen=True)
class Source:
    """What an image says it was made of; *epoch* is the time its files get, in seconds."""

    version: str
    revision: str
    url: str
    epoch: int


def build(tag: str, architecture: str, source: Source, *options: str | Path, base: str = "", build_base: str = "") -> list[str]:
    """The words that build the image. *base*: what it stands on (the Dockerfile's own when empty); *build_base*: what the first
    stage runs on, where *base* is no list of several architectures."""
    arguments = {
        "BUILDPLATFORM": f"linux/{HOST}",  # buildah before 1.30 does not set it
        "BASE": base,
        "BUILD_BASE": build_base,
        "VERSION": source.version,
        "REVISION": source.revision,
        "SOURCE": source.url,
    }
    return [
        "buildah",
        "build",
        f"--platform=linux/{architecture}",
        f"--timestamp={source.epoch}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items() if value),
        *map(str, options),
        f"--tag={tag}",
        str(ROOT),
    ]


def archive(out: Path, architecture: str, source: Source, *options: str | Path, base: str = "", build_base: str = "") -> Path:
    """Builds the image anew and writes it as one file. Raises CalledProcessError."""
    tag = f"localhost/syncd-{architecture}:{source.version}"
    target = out / f"syncd-{source.version}-linux-{architecture}.oci.tar"
    subprocess.run(build(tag, architecture, source, "--no-cache", *options, base=base, build_base=build_base), check=True)
    export(tag, target, source)
    return target


def export(tag: str, target: Path, source: Source) -> None:
    """Writes a built image as an OCI archive; what buildah itself writes carries the hour. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["buildah", "push", "--quiet", tag, f"oci:{name}:{source.version}"], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as packed:
            for path in sorted(path for path in Path(name).rglob("*") if path.is_file()):
                entry = tarfile.TarInfo(path.relative_to(name).as_posix())
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    packed.addfile(entry, content)
