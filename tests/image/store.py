"""Builds the image with buildah and runs it with podman and runc, in a storage of its own below a folder.

The base image of the Dockerfile is replaced by one made on this machine (``build-base``): same Debian, same Python, no
registry asked. What is built and run is the project's Dockerfile as it stands.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SYNCD_TEST_CACHE", "/var/cache/syncd-tests")) / "image"
RUNC = "/usr/sbin/runc"
BASE = "localhost/base:test"
IMAGE = "localhost/syncd:test"
CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")

#: How releases are built (deploy/release/images.py).
IMAGES: dict[str, Any] = runpy.run_path(str(ROOT / "deploy" / "release" / "images.py"))

#: What the images here say of their sources.
SOURCE = IMAGES["Source"]("0.0.1", "0123abcd", "https://git.example/syncd", 0)

#: As long as there is no network of its own to be had, and no list of images to ask.
OPTIONS = (
    "--isolation=chroot",
    "--network=host",
    "--pull=never",
    *([f"--secret=id=ca,src={CA_FILE}"] if CA_FILE.is_file() else []),
)


def missing() -> str:
    """Why there can be no image here, or nothing."""
    absent = [tool for tool in ("buildah", "podman", RUNC) if shutil.which(tool) is None]
    if absent:
        return f"no {' and no '.join(absent)} (packages buildah, podman, runc)"
    if os.geteuid() != 0:
        return "building and running images here needs root"
    if not (CACHE / "rootfs.tar").exists() and shutil.which("mmdebstrap") is None:
        return "no mmdebstrap to make a base image with"
    return ""


@dataclass(frozen=True)
class Store:
    """Images and containers below *folder*."""

    folder: Path

    def __call__(self, *words: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs buildah or podman."""
        return subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.environment(),
        )

    def build(self) -> None:
        """Base and image. Fails with what the builder said last."""
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{self.folder}/run"\ngraphroot = "{self.folder}/graph"\n'
        )
        (self.folder / "containers.conf").write_text("[containers]\ndefault_ulimits = []\n")
        made = subprocess.run([HERE / "build-base", CACHE], capture_output=True, text=True, check=False, timeout=600)
        assert 0 == made.returncode, made.stderr
        self._demand(self("podman", "import", "--quiet", made.stdout.strip(), BASE))
        self._demand(self(*IMAGES["build"](IMAGE, IMAGES["HOST"], SOURCE, *OPTIONS, "--format=docker", base=BASE), seconds=600))

    def inspect(self, image: str) -> dict[str, Any]:
        """What the image says about itself."""
        (found,) = json.loads(self("podman", "image", "inspect", image).stdout)
        return dict(found)

    def run(
        self,
        arguments: Sequence[str],
        *,
        entrypoint: str = "",
        user: str = "54321:0",
        name: str = "",
        mounts: Mapping[Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        memory: str = "512m",
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """As Kubernetes would under the restricted profile: read-only root, no capability, no new privilege, a user of the
        cluster's choice. *mounts*: folder -> path, writable when the path is below /var/lib. With a *name* it runs on."""
        return self(
            "podman",
            f"--runtime={RUNC}",
            "run",
            *(["--detach", f"--name={name}"] if name else ["--rm"]),
            "--no-healthcheck",
            "--network=host",
            "--pull=never",
            "--read-only",
            "--read-only-tmpfs=false",
            "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=64m",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--pids-limit=128",
            f"--memory={memory}",
            f"--user={user}",
            *(
                f"--volume={folder}:{path}:{'rw' if path.startswith('/var/lib') else 'ro'}"
                for folder, path in (mounts or {}).items()
            ),
            *(f"--env={key}={value}" for key, value in (environment or {}).items()),
            *([f"--entrypoint={entrypoint}"] if entrypoint else []),
            IMAGE,
            *arguments,
            seconds=seconds,
        )

    def clean(self) -> None:
        """Ends containers and gives the storage back."""
        self("podman", "rm", "--all", "--force", "--time=0")
        self("podman", "system", "reset", "--force")

    def environment(self) -> dict[str, str]:
        """Where buildah and podman keep things."""
        return {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }

    @staticmethod
    def _demand(done: subprocess.CompletedProcess[str]) -> None:
        assert 0 == done.returncode, (done.stdout + done.stderr)[-3000:]
