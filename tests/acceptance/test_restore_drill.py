"""The drills: what the chart's nightly job copies beside a running daemon goes back after the volume is lost, the chart's job
moves a ledger from its volume into PostgreSQL, and syncd goes on where it was, changing nobody twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests import postgres
from tests.acceptance.company import WHO, Company, clean_environment
from tests.deploy.charts import rendered_chart
from tests.deploy.manifests import Manifest, one
from tests.deploy.test_chart import MOVING, SMALL


def ran(crew: Company, pod: Manifest, places: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    """Runs a job's own lines, with the places of this machine for the image's."""
    (container,) = pod["spec"]["containers"]
    here = crew.folder / "syncd"
    here.write_text(f'#!/bin/sh\nexec {sys.executable} -m syncd "$@"\n', encoding="utf-8")
    here.chmod(0o755)
    code = container["args"][0]
    for place, path in {"/opt/syncd/bin/syncd": here, **places}.items():
        assert place in code
        code = code.replace(place, str(path))
    assert ["/opt/syncd/bin/python", "-I", "-c"] == container["command"]
    return subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={**clean_environment(), "SYNCD_CONFIG": str(crew.config)},
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )


def backed_up(crew: Company, elsewhere: Path) -> int:
    """Runs the nightly job; its exit code."""
    values = SMALL | {"backup": {"enabled": True, "existingClaim": "elsewhere", "keep": 2}}
    job = one(rendered_chart(values), "CronJob", "syncd-backup")
    return ran(crew, job["spec"]["jobTemplate"]["spec"]["template"], {"/backup": elsewhere}).returncode


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


def test_a_job_moves_the_ledger_from_its_volume_into_postgresql(
    company: Company, postgres_server: postgres.Server, tmp_path: Path
) -> None:
    """Under maintenance, with the configuration that names the database already and no credential of Zoom; the daemon then knows
    holds and whom it switched off. The file stays, and a second run writes nothing."""
    company.staff(20)
    company.configure({"reactivate": "ours", "guards.max_directory_shrink_percent": "100%"})
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    assert 0 == company.syncd("account", "hold", "p001@corp.example", *WHO).code
    before = company.ledger.read_bytes()
    url = tmp_path / "ledger-url"
    url.write_text(postgres_server.database() + "\n", encoding="utf-8")
    company.configure({"ledger": {"url_file": str(url)}})
    written, secret = company.written(), company.folder / "zoom-secret"
    job = one(rendered_chart(SMALL | MOVING), "Job", "syncd-move-ledger")["spec"]
    places = {"/var/lib/syncd/ledger.db": company.ledger, "/run/secrets/syncd/ledger-url": url}

    kept = secret.read_text(encoding="utf-8")
    secret.unlink()
    moved, again = ran(company, job["template"], places), ran(company, job["template"], places)
    secret.write_text(kept, encoding="utf-8")

    assert (0, 0) == (moved.returncode, job["backoffLimit"]), moved.stderr
    assert 0 != again.returncode  # there is a ledger now
    assert before == company.ledger.read_bytes()
    assert 0 == company.syncd("ledger", "verify").code
    company.leaves("p001")  # on hold since before the move
    with company.running() as daemon:
        daemon.wait_cycles(1)
    assert written == company.written()
    company.person("p000")
    company.save()
    assert [0, 0, 0] == [company.syncd("apply").code for _ in range(3)]
    assert ("active", "active") == (company.status("p000"), company.status("p001"))
