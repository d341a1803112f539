"""``syncd check``: goes on after every fault, finds what ``run`` would die of, and is not alarmed by what it would live with."""

from __future__ import annotations

import random
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.cli.checking import Findings
from syncd.lab.zoom.tenant import a_user
from tests.acceptance.company import SECRET, Company


def lines(out: str, word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in out.splitlines() if line.startswith(word)]


def test_every_fault_is_told_and_none_ends_it(company: Company) -> None:
    """A wrong place for reports, a ledger below a file, a listening address of another machine, Zoom that refuses."""
    company.staff(2)
    company.zoom.oauth.client_secret = "other"
    blocked = company.folder / "a-file"
    blocked.write_text("x", encoding="utf-8")
    company.configure(
        {"reports.directory": str(blocked), "ledger.url": f"sqlite:///{blocked}/below/ledger.db", "http.listen": "192.0.2.1:9464"}
    )

    ran = company.syncd("check")

    told = lines(ran.out, "FAIL")
    assert 2 == ran.code, ran.said
    assert [True, True, True] == [
        any(key in line for line in told) for key in ("reports.directory: ", "ledger.url: ", "http.listen: ")
    ]
    assert any(line.startswith("zoom: zoom token") for line in told)
    assert any(line.startswith("directory: directory file") for line in lines(ran.out, "ok"))
    assert len(told) == len(set(told))


def test_a_place_that_is_a_link_to_nothing_is_a_fault(company: Company) -> None:
    """``run`` could make nothing there; also where only a folder above it is such a link."""
    company.staff(2)
    link = company.folder / "link"
    link.symlink_to(company.folder / "unmounted")
    for place in (link, link / "below"):
        company.configure({"reports.directory": str(place), "ledger.url": f"sqlite:///{place}/ledger.db"})
        ran = company.syncd("check")
        told = lines(ran.out, "FAIL")
        assert 2 == ran.code, ran.said
        assert [True, True] == [
            any(line.startswith(f"{key}: {link} is a link to nothing") for line in told)
            for key in ("reports.directory", "ledger.url")
        ]
    (company.folder / "unmounted").mkdir()
    assert 0 == company.syncd("check").code


def test_a_missing_secret_file_does_not_end_the_check_of_the_rest(company: Company) -> None:
    """The directory is read all the same; the refusal stands on standard error as every verb tells it."""
    company.staff(2)
    (company.folder / "zoom-secret").unlink()

    ran = company.syncd("check")

    assert 2 == ran.code
    assert "zoom.client_secret_file: the file" in ran.err
    assert any("2 people" in line for line in lines(ran.out, "ok"))
    assert SECRET not in ran.said


def test_syntax_needs_neither_secrets_nor_files_nor_a_network(company: Company) -> None:
    """The configuration alone: right with nothing there, and still wrong where it is wrong."""
    for name in ("zoom-secret", "trigger-token", "people.csv"):
        (company.folder / name).unlink(missing_ok=True)
    company.configure(
        {"reports.directory": "/proc/nowhere", "http.listen": "192.0.2.1:9464", "guards.sentinels": ["canary@elsewhere.example"]}
    )

    ran = company.syncd("check", "--syntax")

    assert 0 == ran.code, ran.said
    assert ["guards.sentinels"] == [line.split(":")[0] for line in lines(ran.out, "warn")]
    assert [] == company.zoom.requests
    company.configure({"mode": "enforced"})
    assert 2 == company.syncd("check", "--syntax").code


def test_unclear_people_within_the_limit_are_a_warning_and_beyond_it_a_fault(company: Company) -> None:
    """As a cycle judges the read; whoever match.ignore_people names counts for nothing."""
    company.staff(5)
    for number in range(3):
        company.person(f"odd{number}", address="two@corp.example@corp.example")
    company.save()

    warned = company.syncd("check")
    assert 0 == warned.code, warned.said
    assert 1 == sum("3 people cannot be understood" in line for line in lines(warned.out, "warn"))

    company.person("odd3", address="two@corp.example@corp.example")
    company.save()
    refused = company.syncd("check")
    assert 4 == refused.code
    assert any("4 people of the directory could not be read, at most 3" in line for line in lines(refused.out, "FAIL"))
    assert 4 == company.syncd("plan").code

    company.configure({"match.ignore_people": ["odd3"]})
    assert 0 == company.syncd("check").code
    assert 0 == company.syncd("plan").code


def test_addresses_that_claim_nothing_are_counted(company: Company) -> None:
    company.staff(2)
    company.person("ann", address="ann@corp.example;ann@elsewhere.example;;nonsense")
    company.save()

    ran = company.syncd("check")

    assert 0 == ran.code, ran.said
    assert any(line.startswith("directory: 1 addresses are of domains that are not in scope") for line in lines(ran.out, "ok"))
    assert any("values of addresses are no addresses" in line for line in lines(ran.out, "ok"))


def test_a_proxy_in_the_way_is_named_without_its_password(company: Company) -> None:
    """Nothing listens at the proxy: that is said, and not that Zoom is down."""
    company.staff(1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        company.configure({"proxy": f"http://127.0.0.1:{port}", "zoom.max_wait": "1s"})
        ran = company.syncd("check")

    assert 4 == ran.code
    assert f"the proxy in the way: 127.0.0.1:{port} refuses connections" in ran.out


def test_a_taken_port_is_no_fault(company: Company) -> None:
    """Beside a running daemon it is taken by that."""
    company.staff(1)
    with socket.socket() as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.listen()
        company.configure({"http.listen": f"127.0.0.1:{daemon.getsockname()[1]}"})
        ran = company.syncd("check", "--offline")

    assert 0 == ran.code, ran.said
    assert any(line.startswith("http.listen: ") for line in lines(ran.out, "warn"))


# ---------------------------------------------------------------------------------- a policy that can do nothing is no success


@pytest.mark.parametrize("domain", ["corp.exmaple", "crop.example", "corp.com", "*.corp.example", "mail.corp.example"])
def test_a_misspelt_scope_is_told_with_the_domains_seen(company: Company, domain: str) -> None:
    """Once, with the domain that was probably meant."""
    company.staff(4)
    company.configure({"scope.domains": [domain]})

    ran = company.syncd("check")

    assert 0 == ran.code, ran.said
    told = [line for line in lines(ran.out, "warn") if line.startswith("zoom: scope: ")]
    assert 1 == len(told)
    assert "the domains seen: corp.example 4; did you mean corp.example 4?" in told[0]


def test_of_several_domains_a_misspelt_one_is_told_and_foreign_ones_are_counted(company: Company) -> None:
    """A domain that is near nothing is no slip: nobody is there yet."""
    company.staff(4)
    for address in ("ann@corp2.example", "bob@corp2.example", "guest@mail.com"):
        company.zoom.tenant.put(a_user(address))
    company.configure({"scope.domains": ["corp.example", "cor2.example"], "match.domain_aliases": {"old.test": "corp.example"}})

    ran = company.syncd("check")

    told = [line for line in lines(ran.out, "warn") if "scope" in line]
    assert [
        "zoom: scope: scope.domains: no account is of cor2.example; near it and not in scope: corp2.example 2; is it misspelt?"
    ] == told
    said = [line.removeprefix("zoom: scope: ") for line in lines(ran.out, "ok") if line.startswith("zoom: scope: ")]
    assert [
        "4 of 7 accounts are of domains in scope: corp.example 4",
        "3 of 7 are of other domains, and left alone: corp2.example 2, mail.com 1",
    ] == said


def test_a_scope_that_is_right_warns_of_nothing(company: Company) -> None:
    company.staff(4)

    ran = company.syncd("check")

    assert not [line for line in lines(ran.out, "warn") if line.startswith(("zoom: scope", "approvals"))]


@pytest.mark.parametrize(
    "changes",
    [
        {"protect.accounts": ["*"]},
        {"protect.accounts": ["*@corp.example"]},
        {"scope.pilot": ["nobody@corp.example"]},
        {"protect.accounts": ["p0*"]},
        {"protect.directory_groups": ["staff"]},
    ],
)
def test_that_nobody_may_ever_be_changed_is_a_warning_of_check_and_plan(company: Company, changes: dict[str, Any]) -> None:
    """By patterns, a pilot without anybody, or groups; with one account that may be changed nothing is said."""
    company.staff(4)
    company.configure(changes)

    check, plan = company.syncd("check"), company.syncd("plan")
    document = company.syncd("plan", "--format", "json").document

    assert 0 == check.code, check.said
    assert 1 == sum("ever be changed" in line for line in lines(check.out, "warn"))
    assert 0 == plan.code
    assert ["none of 4 accounts in scope may ever be changed"] == [one.partition(" (")[0] for one in document["warnings"]]
    assert "warning\tnone of 4 accounts in scope may ever be changed" in plan.out
    company.person("zed", groups="staff" if "protect.directory_groups" not in changes else "")
    company.account("zed")
    company.save()
    company.configure(
        {"scope.pilot": [*changes["scope.pilot"], "zed@corp.example"]}
        if "scope.pilot" in changes
        else {key: ["p0*@corp.example"] if key == "protect.accounts" else value for key, value in changes.items()}
    )
    assert not any("ever be changed" in line for line in lines(company.syncd("check").out, "warn"))
    assert [] == company.syncd("plan", "--format", "json").document["warnings"]


def test_a_secret_that_everybody_may_read_is_a_warning(company: Company) -> None:
    """With its file and the command that closes it; a closed one is not spoken of."""
    company.staff(2)
    secret = Path(company.settings["zoom"]["client_secret_file"])
    luck = random.Random(11)
    drawn = [luck.randrange(0o1000) | 0o400 for _ in range(6)]
    for mode, told in ((0o640, 0), (0o644, 1), *((mode, int(bool(mode & 0o006))) for mode in drawn)):
        secret.chmod(mode)
        ran = company.syncd("check", "--offline")
        assert 0 == ran.code, ran.said
        assert told == sum(str(secret) in line and "chmod o-" in line for line in lines(ran.out, "warn")), ran.out


# ------------------------------------------------------------------------------------------------------ who may approve


def test_unsigned_approvals_are_told(company: Company) -> None:
    """Where a rule relies on names; signed ones are fine, unless those who may approve have no keys or are too few."""
    company.staff(2)
    for rule in ({"required": 2}, {"approvers": ["Ann Lee"]}):
        company.configure({"approvals": rule})
        told = [line for line in lines(company.syncd("check", "--syntax").out, "warn") if line.startswith("approvals")]
        assert 1 == len(told)
        assert "approvals are not signed" in told[0]
    signers = company.folder / "signers"
    signers.write_text("".join(f"{name} ssh-ed25519 {ed25519()}\n" for name in ("ann", "bob")), encoding="utf-8")

    def told_with(**rule: Any) -> list[str]:
        company.configure({"approvals": {"signers_file": str(signers), **rule}})
        ran = company.syncd("check", "--offline")
        assert 0 == ran.code, ran.said
        return [line for line in lines(ran.out, "warn") if line.startswith("approvals")]

    assert [] == told_with(required=2)
    assert [] == told_with(required=1, approvers=["Ann"])
    (line,) = told_with(required=1, approvers=["Ann", "Cid"])
    assert "approvals: Cid may approve, but" in line
    signers.write_text(f"ann ssh-ed25519 {ed25519()}\n", encoding="utf-8")
    (line,) = told_with(required=2)
    assert "1 person has a key and may approve, and required asks for 2" in line


def ed25519() -> str:
    """The public half of a key nobody has, as OpenSSH writes it."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()[1]


def test_a_sentinel_that_nobody_logs_on_with_any_more_is_a_warning(company: Company) -> None:
    """Advice, and no fault; one that is used is not spoken of."""
    company.staff(3)
    for name, days in (("p000", 200), ("p001", 1)):
        company.account(name, type=2, last_login_time=datetime.now(UTC) - timedelta(days=days))
    company.configure({"guards.sentinels": ["p000@corp.example", "p001@corp.example"]})

    ran = company.syncd("check")

    assert 0 == ran.code, ran.said
    assert [True] == [
        "nobody has logged on as p000@corp.example since" in line
        for line in lines(ran.out, "warn")
        if line.startswith("guards.sentinels")
    ]


def test_a_line_begins_where_nothing_else_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """The one that tells how far it is goes first; the same line twice is one."""
    order: list[str] = []
    found = Findings(clear=lambda: order.append(capsys.readouterr().out))
    found.fine("first")
    found.fine("first")
    found.bad("second\n  with a fix")

    assert ["", "ok    first\n"] == order
    assert "FAIL  second with a fix\n" == capsys.readouterr().out
    assert (4, 1) == (found.code, found.failed)
