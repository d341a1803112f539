"""Makes everything a release consists of into a folder; the same sources give the same bytes.

    python deploy/release --out dist [--key signing.pem] [--images amd64 arm64 [--base IMAGE]]

sdist and wheel (installable by pipx), the chart's package, the lock, an SBOM as CycloneDX and as SPDX, a provenance statement
(in-toto, SLSA v1), SHA256SUMS, with --images an OCI archive for each architecture (needs buildah, and the base image), and with a
key the sums' Ed25519 signature, to be verified with nothing but OpenSSL:

    sha256sum -c SHA256SUMS
    openssl pkeyutl -verify -pubin -inkey release.pub.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import images

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
LOCK = ROOT / "requirements.lock"
SOURCE = "https://git.example/syncd"


def main(words: list[str]) -> None:
    """Makes it; says what was made."""
    usage = argparse.ArgumentParser(
        prog="deploy/release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usage.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write to; what lies there is removed")
    usage.add_argument("--key", type=Path, help="Ed25519 private key (PEM) that signs SHA256SUMS")
    usage.add_argument("--images", nargs="+", default=[], choices=images.ARCHITECTURES, help="build the image for these")
    usage.add_argument("--base", default="", help="what the images stand on; the Dockerfile's own by default")
    usage.add_argument("--build-base", default="", help="what their first stage runs on, where --base is for one architecture")
    usage.add_argument("--image-option", action="append", default=[], help="for buildah build: --image-option=--network=host")
    usage.add_argument("--source", default=SOURCE, help="where the sources lie: a label of the image, and in the provenance")
    given = usage.parse_args(words)
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    version = str(re.search(r'__version__ = "(.+)"', (ROOT / "syncd" / "__init__.py").read_text())[1])
    _python_packages(given.out)
    _chart(given.out / f"syncd-chart-{version}.tgz")
    shutil.copy(LOCK, given.out / "requirements.lock")
    source = images.Source(version, _git("rev-parse", "HEAD"), given.source, _epoch())
    for architecture in given.images:
        images.archive(
            given.out, architecture, source, *given.image_option, base=given.base, build_base=given.build_base or given.base
        )
    if not given.images:
        print("no image among them: --images amd64 arm64", file=sys.stderr)
    (given.out / "sbom.cyclonedx.json").write_text(_cyclonedx(version), encoding="utf-8")
    (given.out / "sbom.spdx.json").write_text(_json(_spdx(version)), encoding="utf-8")
    (given.out / "provenance.json").write_text(_json(_provenance(given.out, source)), encoding="utf-8")
    sums = "".join(f"{_sha256(path)}  {path.name}\n" for path in sorted(given.out.iterdir()))
    (given.out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    if given.key:
        subprocess.run(
            [
                "openssl",
                "pkeyutl",
                "-sign",
                "-inkey",
                given.key,
                "-rawin",
                "-in",
                given.out / "SHA256SUMS",
                "-out",
                given.out / "SHA256SUMS.sig",
            ],
            check=True,
        )
    for path in sorted(given.out.iterdir()):
        print(f"{path.stat().st_size:>10}  {path.name}")


def _python_packages(out: Path) -> None:
    """By the locked build backend; it takes all times from SOURCE_DATE_EPOCH."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", out],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(_epoch())},
    )


def _chart(target: Path) -> None:
    """What `helm package` makes, without its times and owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in CHART.rglob("*") if path.is_file() and path.name != ".helmignore"):
            entry = tarfile.TarInfo(f"syncd/{path.relative_to(CHART).as_posix()}")
            content = path.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


# ---------------------------------------------------------------------------------------------------------------- contents


def _locked() -> Iterator[tuple[str, str, list[str]]]:
    """(name, version, hashes) of every package of the lock."""
    for block in re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8")):
        found = re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", block)
        if found:
            yield found[1], found[2], re.findall(r"sha256:([0-9a-f]{64})", block)


def _cyclonedx(version: str) -> str:
    """By cyclonedx-py, from the lock."""
    made = subprocess.run(
        ["cyclonedx-py", "requirements", LOCK, "--output-reproducible", "--of", "JSON", "--sv", "1.5"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    bom = json.loads(made.stdout)
    bom["metadata"]["component"] = {
        "type": "application",
        "name": "syncd",
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "purl": f"pkg:pypi/syncd@{version}",
    }
    return _json(bom)


def _spdx(version: str) -> dict[str, Any]:
    """SPDX 2.3: syncd and what it is installed with. A package's licence as its own metadata declares it."""
    packages = [_package("syncd", version, "Apache-2.0", [])]
    packages += [_package(name, number, _licence(name), hashes) for name, number, hashes in _locked()]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"syncd-{version}",
        "documentNamespace": f"urn:syncd:spdx:{version}:{_sha256(LOCK)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(_epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: syncd-release"],
        },
        "documentDescribes": ["SPDXRef-syncd"],
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-syncd", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": one["SPDXID"]}
            for one in packages[1:]
        ],
    }


def _package(name: str, version: str, licence: str, hashes: list[str]) -> dict[str, Any]:
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": value} for value in hashes[:1]],
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:pypi/{name}@{version}"}
        ],
    }


def _licence(name: str) -> str:
    """The expression of the installed package's metadata; NOASSERTION where it declares none."""
    try:
        declared = metadata.metadata(name).get("License-Expression")
    except metadata.PackageNotFoundError:  # for another platform only
        declared = None
    return declared or "NOASSERTION"


def _provenance(out: Path, source: images.Source) -> dict[str, Any]:
    """What was made of what, as an in-toto statement with SLSA's predicate."""
    subjects = [{"name": path.name, "digest": {"sha256": _sha256(path)}} for path in sorted(out.iterdir())]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:syncd:make-release:v1",
                "externalParameters": {"version": source.version},
                "resolvedDependencies": [
                    {"uri": f"git+{source.url}", "digest": {"gitCommit": source.revision}},
                    *(
                        {"uri": path.name, "digest": {"sha256": _sha256(path)}}
                        for path in sorted(ROOT.glob("requirements*.lock"))
                    ),
                ],
            },
            "runDetails": {"builder": {"id": "urn:syncd:make-release"}},
        },
    }


def _epoch() -> int:
    """The time of the commit that is released, in seconds."""
    return int(_git("log", "-1", "--format=%ct"))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
