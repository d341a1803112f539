"""Approving from outside: two people, signatures, announced leavers, and what is told."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.company import WHO, Company

KIM, LEE = ("--by", "Kim", "--because", "ticket 1"), ("--by", "Lee", "--because", "ticket 1")


def held(company: Company) -> str:
    """Three leavers and a limit of one. Returns the plan's digest."""
    company.staff(30)
    company.enforcing()
    company.leaves("p000", "p001", "p002")
    company.configure({"guards": {"max_deactivations": 1, "max_deactivations_percent": 100}})
    digest: str = company.syncd("apply", "--format", "json").document["plan_digest"]
    return digest


def approve(company: Company, digest: str, *words: str) -> tuple[int, str]:
    ran = company.syncd("approve", "--plan", digest, "--guard", "max-deactivations", "policy-changed", *words)
    return ran.code, ran.said


def test_the_first_of_two_exits_0_and_is_told_so(company: Company) -> None:
    """Nothing passes until somebody else approves the same plan; whoever may not is refused."""
    company.configure({"approvals": {"required": 2, "approvers": ["Kim", "Lee"]}})
    digest = held(company)

    code, said = approve(company, digest, *KIM)
    assert (0, True) == (code, "1 of 2" in said)
    assert (3, []) == (company.syncd("apply").code, company.written())
    assert (2, True) == ((refused := approve(company, digest, *WHO))[0], "approvers" in refused[1])
    assert 0 == approve(company, digest, *LEE)[0]
    assert (0, 3) == (company.syncd("apply").code, len(company.written()))


def test_an_approval_counts_only_when_it_is_signed(company: Company) -> None:
    """By whoever is named, over what it says; the ledger verifies with the signers' keys alone."""
    keys = {name: company.folder / name for name in ("kim", "lee")}
    for path in keys.values():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    signers = company.folder / "signers"
    signers.write_text(f"Kim {keys['kim'].with_suffix('.pub').read_text()}Lee {keys['lee'].with_suffix('.pub').read_text()}")
    company.configure({"approvals": {"signers_file": str(signers)}})
    digest = held(company)

    assert 2 == approve(company, digest, *KIM)[0]
    assert 2 == approve(company, digest, *KIM, "--key", str(keys["lee"]))[0]
    assert 2 == approve(company, digest, *WHO, "--key", str(keys["kim"]))[0]
    assert 0 == approve(company, digest, *KIM, "--key", str(keys["kim"]))[0]
    entry = next(one for one in company.entries() if one["kind"] == "approval")
    assert (True, True) == (entry["body"]["signature"].startswith("-----BEGIN SSH SIGNATURE-----"), bool(entry["body"]["host"]))
    assert (0, 3) == (company.syncd("apply").code, len(company.written()))
    verified = company.syncd("ledger", "verify", "--signers", str(signers))
    assert (0, True) == (verified.code, "1 approvals are signed" in verified.out)
    signers.write_text(f"Kim {keys['lee'].with_suffix('.pub').read_text()}")
    assert 6 == company.syncd("ledger", "verify", "--signers", str(signers)).code


def with_rules_of_their_own(company: Company) -> str:
    """A configuration for the same ledger in which one person is enough and nobody signs."""
    own = company.folder / "own.yaml"
    own.write_text(json.dumps({name: value for name, value in company.settings.items() if name != "approvals"}), "utf-8")
    return str(own)


def test_a_sum_goes_on_after_an_approval_that_does_not_count(company: Company) -> None:
    """Given with another configuration than the one in force: by nobody who may approve. Nor does it ever begin to count because
    cycles ran with that other one."""
    company.staff(60)
    company.configure(
        {
            "approvals": {"approvers": ["Kim"]},
            "mode": "enforce",
            "guards.max_deactivations_percent": 100,
            "guards.max_directory_shrink_percent": 99,
            "guards.max_deactivations_per_30_days": 10,
        }
    )
    assert 0 == company.syncd("apply").code
    company.leaves(*[f"p{number:03}" for number in range(10)])
    assert 0 == company.syncd("apply").code
    company.leaves(*[f"p{number:03}" for number in range(10, 15)])
    held = company.syncd("apply", "--format", "json")
    assert ["max-deactivations-per-30-days"] == held.tripped()
    asked = ("--plan", held.document["plan_digest"], "--guard", *held.tripped(), "--because", "so")
    own = with_rules_of_their_own(company)

    assert 0 == company.syncd("approve", *asked, "--by", "Mallory", "--config", own).code

    assert (3, 10) == (company.syncd("apply").code, len(company.written()))
    company.syncd("apply", "--config", own)
    held = company.syncd("apply", "--format", "json")  # that there were other rules in between wants a review, too
    assert (3, 10, {"max-deactivations-per-30-days", "policy-changed"}) == (held.code, len(company.written()), {*held.tripped()})
    asked = ("--plan", held.document["plan_digest"], "--guard", *held.tripped(), "--because", "so")
    assert 0 == company.syncd("approve", *asked, "--by", "Kim").code
    assert (0, 15) == (company.syncd("apply").code, len(company.written()))
    company.leaves("p015")  # and that one began the sum anew, for longer than it lasts
    assert (0, 16) == (company.syncd("apply").code, len(company.written()))


def test_a_smaller_directory_is_the_measure_once_as_many_accepted_it_as_must(company: Company) -> None:
    """One of two did, with a configuration in which that is enough."""
    company.staff(40)
    company.configure({"approvals": {"required": 2}, "mode": "enforce", "guards.max_deactivations_percent": 100})
    assert 0 == company.syncd("apply").code
    company.leaves(*[f"p{number:03}" for number in range(8)])
    held = company.syncd("apply", "--format", "json")
    assert ["directory-shrunk"] == held.tripped()
    asked = ("--plan", held.document["plan_digest"], "--guard", *held.tripped(), "--because", "so")

    own = with_rules_of_their_own(company)
    assert 0 == company.syncd("approve", *asked, "--by", "Ann", "--config", own).code

    assert (3, 0) == (company.syncd("apply").code, len(company.written()))
    assert 0 == company.syncd("approve", *asked, "--by", "ann").code
    assert (3, 0) == (company.syncd("apply").code, len(company.written()))
    assert 0 == company.syncd("approve", *asked, "--by", "Ben").code
    assert (0, 8) == (company.syncd("apply").code, len(company.written()))


def test_in_report_mode_it_is_said_that_nothing_will_be_carried_out(company: Company) -> None:
    """And in enforce mode that the next cycle does."""
    company.staff(20)
    company.configure({"guards.max_deactivations": 1})
    company.leaves("p000", "p001")

    def approved() -> str:
        plan = company.syncd("plan", "--format", "json")
        return company.syncd("approve", "--plan", plan.document["plan_digest"], "--guard", *plan.tripped(), *WHO).out

    said = approved()
    assert "mode: report: nothing will be carried out" in said
    assert "The next cycle carries it out" not in said
    company.configure({"mode": "enforce"})
    said = approved()
    assert "mode: report" not in said


def test_announced_leavers_count_in_no_size_guard(company: Company) -> None:
    """By address, for a time; a stranger among them, a time too long or over, and nothing is announced."""
    company.staff(30)
    company.enforcing()
    company.configure({"guards": {"max_deactivations": 0, "max_deactivations_percent": 100}})
    people = Path(company.folder / "leavers.txt")
    people.write_text("p000@corp.example\np001@corp.example  # temp\n")
    today = datetime.now(UTC)
    dates = ("--from", f"{today - timedelta(days=1):%Y-%m-%d}", "--until", f"{today + timedelta(days=9):%Y-%m-%d}")
    far = ("--from", f"{today:%Y-%m-%d}", "--until", f"{today + timedelta(days=46):%Y-%m-%d}")
    over = ("--from", f"{today - timedelta(days=9):%Y-%m-%d}", "--until", f"{today - timedelta(days=2):%Y-%m-%d}")

    for words in (far, over, dates[:2], (*dates, "--guard", "max-deactivations")):
        assert 2 == company.syncd("approve", "--people", str(people), *words, *WHO).code, words
    stranger = company.folder / "stranger.txt"
    stranger.write_text("p000@corp.example\nnobody@corp.example\n")
    refused = company.syncd("approve", "--people", str(stranger), *dates, *WHO)
    assert (2, True) == (refused.code, "nobody@corp.example" in refused.said)
    company.account("invited", status="pending")
    stranger.write_text("p000@corp.example\ninvited@corp.example\np001@crop.example\n")
    refused = company.syncd("approve", "--people", str(stranger), *dates, *WHO)
    assert 2 == refused.code
    assert "p001@crop.example (near: p001@corp.example" in refused.err
    assert "1 is an invitation that nobody has accepted" in refused.err
    announced = company.syncd("approve", "--people", str(people), *dates, *WHO)
    assert (0, True) == (announced.code, "2 leavers" in announced.out), announced.said
    longest = ("--from", f"{today:%Y-%m-%d}", "--until", f"{today + timedelta(days=45):%Y-%m-%d}")
    stranger.write_text("p009@corp.example\n")
    assert 0 == company.syncd("approve", "--people", str(stranger), *longest, *WHO).code
    refused = company.syncd("approve", "--people", str(people), *far, *WHO)
    assert "46 days; at most 45 can be announced" in refused.err
    assert "corp.example" not in json.dumps([one["body"] for one in company.entries() if one["kind"] == "people"])
    for name in ("p000", "p001", "p002"):
        company.person(name, enabled="false")
    company.save()

    ran = company.syncd("apply", "--format", "json")
    measured = {one["guard"]: one["measured"] for one in ran.document["guards"] if one["tripped"]}
    assert (3, {"max-deactivations": 1, "policy-changed": 3}) == (ran.code, measured)  # p002 was not announced


def test_deactivations_by_hand_need_the_same_approvals_where_two_people_have_to_agree(company: Company) -> None:
    """Above the floor no number said is enough; up to it, and for giving access back, one person is."""
    company.staff(12)
    company.enforcing()
    company.configure({"approvals": {"required": 2}})
    names = [f"p{number:03}@corp.example" for number in range(4)]
    words = ("account", "deactivate", *names, "--yes", "--confirm-count", "4", *WHO)

    refused = company.syncd(*words)
    assert (3, []) == (refused.code, company.written())
    digest = re.search(r"approve --plan ([0-9a-f]{12})", refused.said)
    assert digest is not None
    for name, code in (("Kim", 3), ("Kim", 3), ("Lee", 0)):
        approved = company.syncd("approve", "--plan", digest[1], "--guard", "max-deactivations", "--by", name, "--because", "x")
        assert 0 == approved.code, approved.said
        assert code == company.syncd(*words).code

    assert {(f"p{number:03}", "deactivate") for number in range(4)} == set(company.written())
    assert 0 == company.syncd("account", "deactivate", "p010@corp.example", "--yes", *WHO).code
    assert 0 == company.syncd("account", "reactivate", *names, "--yes", "--confirm-count", "4", *WHO).code
    assert 3 == company.syncd(*words).code  # used up, each once
