"""The image's Kerberos variant, which the chart's ``image.variant`` names."""

from __future__ import annotations

import pytest

from syncd import __version__
from tests.image.store import BASE, IMAGE, OPTIONS, ROOT, Store

pytestmark = pytest.mark.timeout(900)


def test_the_variant_has_the_library_and_nothing_else_changed(image: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """gssapi and the system's library under it can be loaded by whoever the cluster lets it run as; user, command and labels are
    those of the other image, and no compiler stayed."""
    tag = f"{IMAGE}-kerberos"
    made = image(
        "buildah",
        "build",
        *OPTIONS,
        "--format=docker",
        f"--file={ROOT / 'Dockerfile.kerberos'}",
        f"--build-arg=BASE={BASE}",
        f"--build-arg=IMAGE={IMAGE}",
        f"--tag={tag}",
        ROOT,
        seconds=600,
    )
    assert 0 == made.returncode, (made.stdout + made.stderr)[-3000:]
    plain, variant = (image.inspect(each)["Config"] for each in (IMAGE, tag))

    for key in ("User", "Entrypoint", "Cmd", "StopSignal", "WorkingDir"):
        assert plain[key] == variant[key]
    assert plain["Labels"].items() <= variant["Labels"].items()
    monkeypatch.setattr("tests.image.store.IMAGE", tag)
    ask = "import gssapi, shutil; print(gssapi.Name('a@B').canonicalize(gssapi.MechType.kerberos), shutil.which('gcc'))"
    asked = image.run(["-c", ask], entrypoint="/opt/syncd/bin/python")
    assert ("a@B None", 0) == (asked.stdout.strip(), asked.returncode), asked.stderr
    assert f"syncd, version {__version__}" == image.run(["--version"]).stdout.strip()
