"""The drill: what the chart's nightly job copies beside a running daemon goes back after the volume is lost, and syncd goes on
where it was, changing nobody twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.acceptance.company import WHO, Company, clean_environment
from tests.deploy.charts import rendered_chart
from tests.deploy.manifests import one
from tests.deploy.test_chart import SMALL


def backed_up(crew: Company, elsewhere: Path) -> int:
    """Runs the job's own lines, with the places of this machine for the image's; its exit code."""
    job = one(
        rendered_chart(SMALL | {"backup": {"enabled": True, "existingClaim": "elsewhere", "keep": 2}}), "CronJob", "syncd-backup"
    )
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    here = crew.folder / "syncd"
    here.write_text(f'#!/bin/sh\nexec {sys.executable} -m syncd "$@"\n', encoding="utf-8")
    here.chmod(0o755)
    code = container["args"][0].replace("/opt/syncd/bin/syncd", str(here)).replace("/backup", str(elsewhere))
    assert ["/opt/syncd/bin/python", "-I", "-c"] == container["command"]
    return subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={**clean_environment(), "SYNCD_CONFIG": str(crew.config)},
        check=False,
        timeout=120,
        capture_output=True,
    ).returncode


def test_after_the_loss_of_the_volume_a_nightly_copy_is_enough(company: Company, tmp_path: Path) -> None:
    """Holds, owners and who was switched off are back; what was done after the copy is not done again."""
    company.accepts_new = False
    company.staff(20)
    company.configure(
        {
            "mode": "enforce",
            "reactivate": "ours",
            "guards": {"max_deactivations": 10, "max_deactivations_percent": "100%", "max_directory_shrink_percent": "100%"},
        }
    )
    assert 0 == company.syncd("ledger", "accept", *WHO).code
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for night in ("2020-01-01T0241", "2020-01-02T0241"):
        (elsewhere / f"ledger-{night}.backup").write_bytes(b"older")
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p000")
        daemon.sync()
        daemon.wait(lambda: company.status("p000") == "inactive", "the first leaver")
        assert 0 == company.syncd("account", "hold", "p001@corp.example", *WHO).code
        assert 0 == backed_up(company, elsewhere)
        company.leaves("p002")
        daemon.sync()
        daemon.wait(lambda: company.status("p002") == "inactive", "a leaver after the copy was made")
    kept = sorted(elsewhere.iterdir())
    assert [True, False] == [one.name.startswith("ledger-2020-01-02") for one in kept]
    written = company.written()

    shutil.rmtree(company.ledger.parent)
    company.ledger.parent.mkdir()
    put = company.syncd("ledger", "restore", str(kept[-1]))
    assert 0 == put.code, put.said
    assert "ledger-rolled-back" in company.syncd("apply", "--format", "json").tripped()  # the reports know more
    assert 0 == company.syncd("ledger", "accept", *WHO).code
    assert 0 == company.syncd("resume", *WHO).code
    company.leaves("p001")  # on hold since before the copy
    ran = company.syncd("apply", "--format", "json")

    assert (0, []) == (ran.code, ran.tripped()), ran.said
    assert written == company.written()
    assert ["inactive", "active", "inactive"] == [company.status(name) for name in ("p000", "p001", "p002")]
    company.person("p000")
    company.save()
    assert [0, 0, 0] == [company.syncd("apply").code for _ in range(3)]  # of whole reads there must be some
    assert "active" == company.status("p000")  # it is known whose deactivation that was


def test_an_address_with_a_password_is_read_from_a_file(company: Company, tmp_path: Path) -> None:
    """As the Secret is mounted; a file that is not there, or empty, is said in words."""
    company.staff(3)
    company.configure({"mode": "enforce"})
    assert 0 == company.syncd("apply").code
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path / 'copied.db'}\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")

    copied = company.syncd("ledger", "copy", f"sqlite:///{company.ledger}", f"@{tmp_path / 'url'}")
    assert (0, True) == (copied.code, (tmp_path / "copied.db").is_file()), copied.said
    for name, says in (("nowhere", "cannot be read"), ("empty", "is empty")):
        refused = company.syncd("ledger", "copy", f"sqlite:///{company.ledger}", f"@{tmp_path / name}")
        assert (2, True) == (refused.code, says in refused.err)
