"""What `make release` makes: the same bytes from the same sources, installable, complete, and verifiable with OpenSSL alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import helm_python
import pytest
import yaml

from syncd import __version__
from tests.deploy.manifests import DEPLOY, ROOT

RELEASE = DEPLOY / "release"


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=240, cwd=cwd)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed release, and the folder of a second one beside it."""
    folder = tmp_path_factory.mktemp("release")
    assert 0 == run("openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / "key.pem").returncode
    assert 0 == run("openssl", "pkey", "-in", folder / "key.pem", "-pubout", "-out", folder / "public.pem").returncode
    for name in ("one", "two"):
        done = run(sys.executable, RELEASE, "--out", folder / name, "--key", folder / "key.pem")
        assert 0 == done.returncode, done.stderr
    return folder / "one"


def test_the_same_sources_give_the_same_bytes(made: Path) -> None:
    """Every file, the signature included (Ed25519 needs no randomness)."""
    assert {path.name: path.read_bytes() for path in made.iterdir()} == {
        path.name: path.read_bytes() for path in (made.parent / "two").iterdir()
    }


def test_everything_is_there_and_summed(made: Path) -> None:
    """And the sums are right."""
    names = {path.name for path in made.iterdir()}

    assert {
        f"syncd-{__version__}.tar.gz",
        f"syncd-{__version__}-py3-none-any.whl",
        f"syncd-chart-{__version__}.tgz",
        "requirements.lock",
        "sbom.cyclonedx.json",
        "sbom.spdx.json",
        "provenance.json",
        "SHA256SUMS",
        "SHA256SUMS.sig",
    } == names
    assert names - {"SHA256SUMS", "SHA256SUMS.sig"} == set(
        re.findall(r"(?m)^[0-9a-f]{64}  (.+)$", (made / "SHA256SUMS").read_text())
    )
    assert 0 == run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=made).returncode


def test_the_signature_is_verified_by_openssl_and_a_changed_sum_is_found(made: Path, tmp_path: Path) -> None:
    """As README.md tells it."""

    def verified(sums: Path) -> int:
        return run(
            "openssl",
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            made.parent / "public.pem",
            "-rawin",
            "-in",
            sums,
            "-sigfile",
            made / "SHA256SUMS.sig",
        ).returncode

    changed = tmp_path / "SHA256SUMS"
    changed.write_text((made / "SHA256SUMS").read_text().replace("a", "b"))
    assert 0 == verified(made / "SHA256SUMS")
    assert 0 != verified(changed)


def test_the_wheel_is_the_program(made: Path, tmp_path: Path) -> None:
    """Installed without this folder it says its version; pages of reports come along."""
    wheel = next(made.glob("*.whl"))
    done = run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", tmp_path, wheel)
    assert 0 == done.returncode, done.stderr

    said = run(sys.executable, "-c", "import syncd; print(syncd.__file__, syncd.__version__)", cwd=tmp_path)
    assert f"{tmp_path / 'syncd' / '__init__.py'} {__version__}" == said.stdout.strip()
    assert (tmp_path / "syncd" / "reports" / "page" / "report.html.j2").is_file()


def test_the_chart_s_package_is_a_chart(made: Path) -> None:
    """Helm loads it, and it is what lies in deploy/chart."""
    package = next(made.glob("syncd-chart-*.tgz"))
    with helm_python.Chart.load(package) as packed, helm_python.Chart.load(DEPLOY / "chart") as chart:
        assert chart.metadata == packed.metadata
        assert {one["name"]: one["data"] for one in chart.templates} == {one["name"]: one["data"] for one in packed.templates}


def test_both_lists_of_contents_name_every_locked_package(made: Path) -> None:
    """With its version and a hash; the program itself first."""
    locked = set(re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", (ROOT / "requirements.lock").read_text()))
    spdx = json.loads((made / "sbom.spdx.json").read_text())
    cyclonedx = json.loads((made / "sbom.cyclonedx.json").read_text())

    assert len(locked) > 30
    assert locked == {(one["name"], one["versionInfo"]) for one in spdx["packages"][1:]}
    assert locked == {(one["name"], one["version"]) for one in cyclonedx["components"]}
    assert all(one["checksums"] for one in spdx["packages"][1:])
    assert len(spdx["packages"]) == len({one["SPDXID"] for one in spdx["packages"]}) == 1 + len(spdx["relationships"])
    assert ("SPDX-2.3", "CycloneDX") == (spdx["spdxVersion"], cyclonedx["bomFormat"])
    assert __version__ == spdx["packages"][0]["versionInfo"] == cyclonedx["metadata"]["component"]["version"]


def test_the_provenance_names_what_was_made_of_what(made: Path) -> None:
    """Every file with its digest, the commit and the locks."""
    statement = json.loads((made / "provenance.json").read_text())
    sums = dict(reversed(line.split("  ")) for line in (made / "SHA256SUMS").read_text().splitlines())
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}

    assert subjects.items() <= sums.items()
    assert set(sums) - set(subjects) == {"provenance.json"}
    commit = run("git", "rev-parse", "HEAD").stdout.strip()
    assert commit == statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]


def test_the_source_archive_holds_no_environment(made: Path) -> None:
    """Only what is in the repository."""
    with tarfile.open(next(made.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(run("git", "ls-files").stdout.split("\n"))

    assert "syncd/operations/cycle.py" in names
    assert set() == {name for name in names if name not in tracked and name != "PKG-INFO"}


def test_the_workflow_publishes_what_make_release_makes() -> None:
    """A file to copy: YAML as GitHub reads it, actions pinned by commit, no secret in it."""
    text = (RELEASE / "github-workflow.yaml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]

    assert {"contents": "read"} == workflow["permissions"]
    assert [] == [step["uses"] for step in steps if "uses" in step and not re.search(r"@[0-9a-f]{40}$", step["uses"])]
    assert any("make release" in step.get("run", "") for step in steps)


def test_the_workflow_passes_the_linter(tmp_path: Path) -> None:
    """zizmor, which refuses what GitHub could not read; and it would find a workflow that gives its token away."""
    text = (RELEASE / "github-workflow.yaml").read_text(encoding="utf-8")

    def found(workflow: str) -> tuple[int, str]:
        path = tmp_path / ".github" / "workflows" / "release.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(workflow, encoding="utf-8")
        ran = run(
            Path(sys.executable).parent / "zizmor", "--offline", "--no-progress", "--strict-collection", "--format=plain", path
        )
        return ran.returncode, ran.stdout + ran.stderr

    code, said = found(text)
    assert (0, True) == (code, "No findings to report" in said), said
    assert "artipacked" in found(text.replace("persist-credentials: false", "fetch-depth: 1"))[1]
    assert 0 != found(text.replace("runs-on: ubuntu-24.04", "runs-on: [[]]"))[0]
