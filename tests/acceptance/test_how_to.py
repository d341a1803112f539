"""The how-to pages, walked through as they stand; that of handing content over is walked in ``test_handover``."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from msgspec.structs import replace

from tests.acceptance.company import Company
from tests.acceptance.walk import Walk, merged


@pytest.fixture
def crew(company: Company) -> Company:
    """Ann, Bob and thirty others, in step and in enforcing use."""
    company.staff(30)
    for name in ("ann", "bob"):
        company.person(name)
        company.account(name, type=2)
    company.save()
    company.enforcing()
    return company


def disabled(crew: Company, *names: str) -> None:
    for name in names:
        crew.person(name, enabled="false")
    crew.save()


def test_a_pilot(company: Company) -> None:
    """Reviewed in report mode, then two people only, then everybody."""
    company.staff(30)
    for name in ("ann", "bob"):
        company.person(name)
        company.account(name, type=2)
    company.save()
    with company.running() as daemon:
        daemon.wait_cycles(1)
    disabled(company, "ann", "p000")
    walk = Walk("pilot", company)

    walk.configure()
    planned = walk.run()
    assert "policy-changed" in planned.out
    walk.run(2)
    assert ("inactive", "active") == (company.status("ann"), company.status("p000"))

    shutil.copy(company.config, company.folder / "wider.yaml")
    wider = company.folder / "wider.yaml"
    wider.write_text(wider.read_text(encoding="utf-8").replace("- bob@corp.example", "- p000@corp.example"), encoding="utf-8")
    assert "p000@corp.example" in walk.run().out
    walk.configure()
    walk.run(3)
    assert ("inactive", []) == (company.status("p000"), walk.left)


def test_a_leave_of_absence(crew: Company) -> None:
    """On hold before the directory says so, back before the date; in a group; and gone until enabled again."""
    walk = Walk("leave-of-absence", crew)

    walk.run()
    disabled(crew, "ann")
    assert "on_hold" in walk.run().out
    assert (0, "active") == (crew.syncd("apply").code, crew.status("ann"))
    crew.person("ann")
    crew.save()
    walk.run()
    assert (0, "active") == (crew.syncd("apply").code, crew.status("ann"))

    walk.configure()
    crew.person("bob", enabled="false", groups="staff;On Leave")
    crew.save()
    ran = crew.syncd("apply", "--format", "json")
    assert (0, ("keep", "exempt")) == (ran.code, ran.action_of("bob@corp.example")), ran.said

    disabled(crew, "ann")
    assert (0, "inactive") == (crew.syncd("apply").code, crew.status("ann"))
    crew.person("ann")
    crew.save()
    crew.syncd("apply")
    crew.syncd("apply")
    assert ("active", 2, []) == (crew.status("ann"), crew.zoom.tenant.existing("ann@corp.example").type, walk.left)


def test_the_end_of_a_term(crew: Company) -> None:
    """More than the guards let pass, announced by name."""
    crew.configure({"guards": {"max_deactivations": 1, "max_deactivations_percent": 5, "percent_floor": 0}})
    leavers = ["ann", "bob", "p000"]
    (crew.folder / "leavers.txt").write_text("".join(f"{name}@corp.example\n" for name in leavers), encoding="utf-8")
    today = datetime.now(UTC)
    walk = Walk(
        "term-end", crew, FIRST_DAY=f"{today - timedelta(days=1):%Y-%m-%d}", LAST_DAY=f"{today + timedelta(days=40):%Y-%m-%d}"
    )

    walk.run()
    disabled(crew, *leavers)
    walk.run(2)
    assert ["inactive"] * 3 == [crew.status(name) for name in leavers]
    walk.configure()
    assert (0, []) == (crew.syncd("check", "--syntax").code, walk.left)


def test_a_merger(crew: Company) -> None:
    """Compared, reviewed and let through under a pause; then another directory, which ends in the same review."""
    crew.account("zoe", type=2)
    crew.zoom.tenant.put(replace(crew.zoom.tenant.existing("zoe@corp.example"), email="zoe@old.example"))
    crew.zoom.tenant.put(replace(crew.zoom.tenant.existing("bob@corp.example"), email="bob@former.example"))
    walk = Walk("merger", crew)

    walk.run()
    both = merged(crew.settings, {"scope": {"domains": ["corp.example", "old.example"]}})
    (crew.folder / "merged.yaml").write_text(yaml.safe_dump(both), encoding="utf-8")
    assert "zoe@old.example" in walk.run().out
    walk.configure()
    walk.run(4)
    crew.syncd("apply")
    assert ("inactive", "active") == tuple(
        crew.zoom.tenant.existing(address).status for address in ("zoe@old.example", "bob@former.example")
    )

    crew.settings["directory"] = {
        "entra": {
            "tenant_id": "corp.example",
            "client_id": "00000000-0000-0000-0000-000000000000",
            "credential": {"client_secret_file": str(crew.folder / "zoom-secret")},
            "groups": ["staff"],
        }
    }
    crew.configure()
    assert (2, True) == ((ran := crew.syncd("apply")).code, "ledger" in ran.err), ran.said
    assert "paused" in walk.run().out
    assert [] == walk.left


def test_windows(crew: Company) -> None:
    """Compared, taken over, approved before the opening; what a webhook is told of is understood. The weekend is now."""
    crew.configure({"deactivate.grace": "0s", "deactivate.grace_reads": 1, "guards.percent_floor": 5})
    assert 0 == crew.syncd("apply").code
    crew.leaves("p000")
    before = crew.settings
    walk = Walk("windows", crew)

    walk.configure()
    begun = datetime.now(UTC) - timedelta(hours=2)
    weekend = {**crew.settings["schedule"]["windows"][0], "cron": f"{begun:%M %H} * * *", "duration": "6h", "timezone": "UTC"}
    with_windows = merged(crew.settings, {"schedule": {"windows": [weekend]}})
    (crew.folder / "windows.yaml").write_text(yaml.safe_dump(with_windows), encoding="utf-8")
    assert 0 == crew.syncd("check", "--syntax").code
    crew.settings = before
    crew.configure()
    compared = walk.run().out
    assert ("1 of 32 accounts" in compared, ", denied until " in compared) == (True, True)

    crew.settings = with_windows
    crew.configure()
    shown = walk.run().out
    assert "calendar\tdeactivate for left_groups, absent_from_directory: denied until " in shown
    assert "window\t1 to deactivate waits for the next opening, " in shown

    crew.configure({"guards.max_deactivations": 1})
    crew.leaves("p001")
    assert 3 == crew.syncd("apply").code  # the daemon's cycle records the plan that a person then looks at
    walk.run(3)
    assert (0, []) == (crew.syncd("apply").code, crew.written())
    walk.pass_over()
    walk.run(2)
    assert [] == walk.left


def test_the_emergency_procedures(crew: Company) -> None:
    """Paused; what a cycle did put back; one account by hand, one on hold; and on again."""
    disabled(crew, "ann", "bob")
    assert 0 == crew.syncd("apply").code
    walk = Walk("emergency", crew, CYCLE="last")

    walk.run(2)
    assert ("active", "active") == (crew.status("ann"), crew.status("bob"))
    crew.zoom.tenant.put(replace(crew.zoom.tenant.existing("ann@corp.example"), status="inactive"))
    walk.run()
    assert "active" == crew.status("ann")
    walk.run(2)
    assert (0, [], "active") == (crew.syncd("apply").code, walk.left, crew.status("ann"))


def test_back_up_and_restore(crew: Company) -> None:
    """A copy put back after a leaver went: Ann's hold is said again, Bob, who left since, is reviewed."""
    walk = Walk("restore", crew)

    walk.run()
    disabled(crew, "p000")
    assert 0 == crew.syncd("apply").code
    walk.run(2)
    disabled(crew, "ann", "bob")
    walk.run(5)
    assert ("active", "inactive", []) == (crew.status("ann"), crew.status("bob"), walk.left)
    assert 0 == crew.syncd("ledger", "verify").code


def test_an_upgrade(crew: Company) -> None:
    """The ledger of 0.1.0 itself is opened, verified and continued in tests/contract/test_ledger_of_0_1_0.py."""
    walk = Walk("upgrade", crew)

    walk.run(6)
    assert (True, []) == ((crew.folder / "before-upgrade.backup").is_file(), walk.left)
