"""The images of a release: for two architectures, the same bytes each time, saying what they were made of."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from syncd import __version__
from tests.image.store import BASE, CACHE, HERE, IMAGE, IMAGES, OPTIONS, ROOT, SOURCE, Store

pytestmark = pytest.mark.timeout(900)

EMULATOR = "qemu-aarch64-static"

#: What has compiled parts, so that a wheel for another processor would not even be imported.
COMPILED = "cryptography.hazmat.primitives.asymmetric.ed25519, msgspec, psycopg, pydantic, yaml"


@pytest.fixture(scope="module")
def base_arm64(image: Store) -> str:
    """A base image of the other architecture, as a file: buildah before 1.30 finds no local image of another one."""
    made = subprocess.run([HERE / "build-base", CACHE, "arm64"], capture_output=True, text=True, check=False, timeout=300)
    assert 0 == made.returncode, made.stderr
    name = "base-arm64"
    target = f"oci-archive:{image.folder / 'base-arm64.tar'}"
    for words in (
        ("from", f"--name={name}", "--arch=arm64", "scratch"),
        ("add", "--quiet", name, made.stdout.strip(), "/"),
        ("config", "--arch=arm64", name),
        ("commit", "--quiet", "--rm", name, target),
    ):
        done = image("buildah", *words)
        assert 0 == done.returncode, done.stderr
    return target


def described(archive: Path) -> dict[str, object]:
    """The configuration of the one image in an OCI archive."""

    def blob(digest: str) -> dict[str, object]:
        taken = read.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert taken is not None
        return dict(json.load(taken))

    with tarfile.open(archive) as read:
        index = read.extractfile("index.json")
        assert index is not None
        (manifest,) = json.load(index)["manifests"]
        config = blob(manifest["digest"])["config"]
        assert isinstance(config, dict)
        return blob(config["digest"])


def test_an_image_for_arm64_comes_out_of_the_release_and_runs(image: Store, base_arm64: str, tmp_path: Path) -> None:
    """Made here without emulation, counted in the sums; what it holds is run by an emulator of that processor."""
    out = tmp_path / "dist"
    words = ["--images", "arm64", "--base", base_arm64, "--build-base", BASE]
    made = image(
        sys.executable,
        ROOT / "deploy" / "release",
        "--out",
        out,
        *words,
        *(f"--image-option={one}" for one in OPTIONS),
        seconds=600,
    )
    assert 0 == made.returncode, made.stderr[-3000:]
    archive = out / f"syncd-{__version__}-linux-arm64.oci.tar"
    config = described(archive)
    assert ("arm64", "linux") == (config["architecture"], config["os"])
    assert archive.name in (out / "SHA256SUMS").read_text(encoding="utf-8")
    assert archive.name in {one["name"] for one in json.loads((out / "provenance.json").read_text(encoding="utf-8"))["subject"]}

    name = image("buildah", "from", "--arch=arm64", f"oci-archive:{archive}").stdout.strip()
    root = Path(image("buildah", "mount", name).stdout.strip())
    emulator = shutil.which(EMULATOR)
    assert emulator is not None, f"no {EMULATOR} (package qemu-user-static)"
    shutil.copy(emulator, root / "emulator")
    run = ("chroot", root, "/emulator", "-E", "PYTHONPATH=/opt/syncd/lib/python3.11/site-packages", "/usr/bin/python3.11")

    ask = f"import platform, {COMPILED}; print(platform.machine()); import syncd.cli as c; c.main(['--version'])"
    ran = image(*run, "-c", ask)
    assert ["aarch64", __version__] == [line.split()[-1] for line in ran.stdout.splitlines()], ran.stderr


def test_the_same_sources_give_the_same_image(image: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built a second time with nothing remembered: byte by byte the image that the other tests run."""
    for name, value in image.environment().items():
        monkeypatch.setenv(name, value)
    again = "localhost/again:test"
    made = image(
        *IMAGES["build"](again, IMAGES["HOST"], SOURCE, *OPTIONS, "--format=docker", "--no-cache", base=BASE), seconds=600
    )
    assert 0 == made.returncode, made.stderr[-3000:]
    for tag, name in ((IMAGE, "first.tar"), (again, "second.tar")):
        IMAGES["export"](tag, tmp_path / name, SOURCE)

    first, second = (tmp_path / name for name in ("first.tar", "second.tar"))
    assert described(first) == described(second)
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
