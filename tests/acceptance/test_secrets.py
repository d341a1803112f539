"""No secret, token or address where it does not belong: logs, documents, pages, metrics, the ledger (sections 2 and 9)."""

from __future__ import annotations

import re

from syncd.lab import faults
from tests.acceptance.company import ADDRESS, SECRET, TRIGGER, WHO, Company


def test_no_secret_or_token_in_anything_anybody_can_read(company: Company) -> None:
    """Good days and bad ones, at the most talkative level: nothing shows the secret or a token."""
    company.staff(10)
    company.configure({"logging.level": "debug", "mode": "enforce", "schedule": {"interval": "6h", "jitter": "0s"}})
    tokens: set[str] = set()
    issue = company.zoom.oauth.issue

    def remembered(*arguments: object) -> object:
        answer = issue(*arguments)  # type: ignore[arg-type]
        tokens.update(re.findall(r'"access_token":"([^"]+)"', answer.body.decode()))
        return answer

    company.zoom.oauth.issue = remembered  # type: ignore[method-assign,assignment]
    said = [company.syncd("apply", "--format", "json").said, company.syncd("check").said]
    company.leaves("p000")
    with company.running() as daemon:
        daemon.wait_cycles(1)
        said += [daemon.get("/")[1], daemon.get("/metrics")[1], daemon.get("/sync", method="POST", token="wrong-one")[1]]
        company.zoom.oauth.expire_all(company.zoom.requests[-1].at)
        company.zoom.faults.add(faults.refusal(4711, "does not contain scopes:[x]"), "list_users", times=None)
        daemon.sync()
    company.zoom.oauth.enabled = False
    said.append(company.syncd("apply", "--format", "json").said)
    said += [
        path.read_text(encoding="utf-8", errors="replace")
        for path in company.folder.rglob("*")
        if path.is_file() and path.name not in ("zoom-secret", "trigger-token")
    ]

    assert tokens
    for text in said:
        for word in (SECRET, TRIGGER, "Bearer ", "Basic ", *tokens):
            assert word not in text.replace("Authorization: Bearer …", ""), text[:500]


def test_addresses_appear_in_logs_only_when_wanted(company: Company) -> None:
    """``logging.addresses``: off by default, also for effects, failures and hand verbs."""
    company.staff(25)
    company.configure({"logging.level": "debug"})
    company.enforcing()
    company.zoom.tenant.alter("p001@corp.example", room=True)
    company.leaves("p000", "p001")

    quiet = [company.syncd("apply"), company.syncd("account", "deactivate", "p002@corp.example", *WHO)]
    company.configure({"logging.addresses": True})
    company.leaves("p003")
    loud = company.syncd("apply")

    for ran in quiet:
        assert [] == ADDRESS.findall("\n".join(line for line in ran.err.splitlines() if line.startswith("{")))
    assert "p003@corp.example" in loud.err


def test_a_secret_from_a_variable_works_and_does_not_show(company: Company) -> None:
    """``client_secret_env`` instead of a file."""
    company.staff(3)
    company.configure({"zoom.client_secret_file": None, "zoom.client_secret_env": "ZOOM_SECRET", "logging.level": "debug"})

    ran = company.syncd("plan", env={"ZOOM_SECRET": SECRET})
    missing = company.syncd("plan")

    assert (0, 2) == (ran.code, missing.code)
    assert SECRET not in ran.said
    assert "ZOOM_SECRET" in missing.err


def test_control_characters_in_names_never_reach_a_terminal(company: Company) -> None:
    """Names come from directories and from Zoom: escapes and direction marks are not shown as such."""
    company.account("evil", display_name="\x1b[31mRed\x07\u202egnp.exe", first_name="\x1b[2J")
    company.staff(30)

    ran = company.syncd("plan")

    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert "\x1b" not in ran.err
