"""Verbs of people: pause, resume, undo, account, explain (section 5 of the interface)."""

from __future__ import annotations

import json
import shlex

import pytest

from syncd.lab import faults
from tests.acceptance.company import WHO, Company
from tests.acceptance.test_plan import on_a_terminal


@pytest.fixture
def crew(company: Company) -> Company:
    """Twenty people in step, enforcing, a ledger in use."""
    company.staff(20)
    company.enforcing()
    return company


def rows_of(out: str) -> dict[str, dict[str, object]]:
    """A verb's JSON rows by name."""
    return {row["email"].partition("@")[0]: row for row in json.loads(out)}


# -------------------------------------------------------------------------------------------------- pause and resume


def test_a_pause_holds_everything_until_resume(crew: Company) -> None:
    """``paused`` trips with 3 in apply; approving it is refused; hand verbs need --while-paused; resume ends it."""
    assert 0 == crew.syncd("pause", *WHO).code
    crew.leaves("p000")

    held = crew.syncd("apply", "--format", "json")
    assert (3, "held", ["paused"]) == (held.code, held.document["result"], held.tripped())
    assert "Ann Lee" in next(row["says"] for row in held.document["guards"] if row["guard"] == "paused")
    by_hand = crew.syncd("account", "deactivate", "p001@corp.example", *WHO)
    assert 3 == by_hand.code
    assert "--while-paused" in by_hand.err
    assert [] == crew.zoom.writes

    assert 0 == crew.syncd("account", "deactivate", "p001@corp.example", *WHO, "--while-paused").code
    assert [("p001", "deactivate")] == crew.written()
    assert 0 == crew.syncd("resume", *WHO).code
    assert 0 == crew.syncd("apply").code
    assert "inactive" == crew.status("p000")


def test_who_and_why_are_required_of_every_change(crew: Company) -> None:
    """2 without --by or --because, and when either is blank."""
    before = len(crew.entries())

    for verb in (
        ("pause",),
        ("resume",),
        ("undo", "x"),
        ("account", "hold", "p000@corp.example"),
        ("account", "release", "p000@corp.example"),
        ("account", "deactivate", "p000@corp.example"),
    ):
        assert 2 == crew.syncd(*verb, "--by", "Ann Lee").code, verb
    for verb in (("pause",), ("account", "deactivate", "p000@corp.example"), ("account", "hold", "p000@corp.example")):
        assert 2 == crew.syncd(*verb, "--by", "  ", "--because", "x").code, verb
    assert before == len(crew.entries())
    assert [] == crew.zoom.writes


# ---------------------------------------------------------------------------------------------------- by hand: one account


def test_an_account_deactivated_by_hand_is_verified_and_stays_so(crew: Company) -> None:
    """The verified state is printed; the person is entitled, and no cycle brings the account back."""
    ran = crew.syncd("account", "deactivate", "P000@Corp.Example", *WHO, "--format", "json")

    row = rows_of(ran.out)["p000"]
    assert (0, "inactive", "done") == (ran.code, row["status"], row["outcome"])
    assert row["verified_at"]
    assert ("keep", "deactivated_by_hand") == crew.syncd("plan", "--format", "json").action_of("p000@corp.example")
    again = crew.syncd("account", "deactivate", "p000@corp.example", *WHO)
    assert 0 == again.code
    assert [("p000", "deactivate")] == crew.written()


def test_reactivating_gives_the_licence_back(crew: Company) -> None:
    """The type recorded at deactivation; somebody entitled is not put on hold."""
    crew.syncd("account", "deactivate", "p000@corp.example", *WHO)

    ran = crew.syncd("account", "reactivate", "p000@corp.example", *WHO, "--format", "json")

    assert (0, "active", "licensed") == (ran.code, *(rows_of(ran.out)["p000"][key] for key in ("status", "licence")))
    assert 2 == crew.zoom.tenant.existing("p000@corp.example").type
    assert ("keep", "in_step") == crew.syncd("plan", "--format", "json").action_of("p000@corp.example")


def test_reactivating_somebody_not_entitled_holds_the_account_for_seven_days(crew: Company) -> None:
    """So that the next cycle does not deactivate it again."""
    crew.leaves("p000")
    assert 0 == crew.syncd("apply").code

    assert 0 == crew.syncd("account", "reactivate", "p000@corp.example", *WHO).code

    assert "active" == crew.status("p000")
    assert ("keep", "on_hold") == crew.syncd("plan", "--format", "json").action_of("p000@corp.example")
    hold = [entry for entry in crew.entries() if entry["kind"] == "hold"][-1]
    assert hold["body"]["until"]
    assert 0 == crew.syncd("account", "release", "p000@corp.example", *WHO).code
    assert "on_hold" != crew.syncd("plan", "--format", "json").action_of("p000@corp.example")[1]


def test_protected_accounts_are_not_changed_by_hand(crew: Company) -> None:
    """Roles, exempt addresses: held with 3, nothing written, whatever else is in the list."""
    crew.account("boss", role_id="1")
    crew.configure({"protect.accounts": ["p001@corp.example"]})

    for name in ("boss", "p001"):
        ran = crew.syncd("account", "deactivate", f"{name}@corp.example", "p000@corp.example", *WHO)
        assert 3 == ran.code
        assert "protected" in ran.err
    assert [] == crew.zoom.writes


def test_addresses_zoom_does_not_know_make_the_exit_code_five(crew: Company) -> None:
    """The others are done; the unknown one is named."""
    ran = crew.syncd("account", "deactivate", "p000@corp.example", "nobody@corp.example", *WHO, "--format", "json")

    assert (5, "done", "failed") == (ran.code, rows_of(ran.out)["p000"]["outcome"], rows_of(ran.out)["nobody"]["outcome"])


@pytest.mark.parametrize("verb", ["deactivate", "reactivate"])
def test_a_person_nobody_knows_is_not_applied_in_part(crew: Company, verb: str) -> None:
    """Alone: 2, nothing done, no cycle, and who was probably meant."""
    before = len(crew.entries())
    ran = crew.syncd("account", verb, "p001@crop.example", "p02@corp.example", *WHO, "--format", "json")

    assert 2 == ran.code
    assert ("failed", "not_in_zoom") == tuple(rows_of(ran.out)["p02"][key] for key in ("outcome", "outcome_reason"))
    assert "p001@corp.example" == json.loads(ran.out)[0]["near"][0]
    assert "Zoom knows no account p001@crop.example (near: p001@corp.example" in ran.err
    assert "nothing was done" in ran.err
    assert before == len(crew.entries())
    for words in (("show", "p001@crop.example"), ("hold", "p001@crop.example", *WHO), ("release", "p001@crop.example", *WHO)):
        ran = crew.syncd("account", *words)
        assert 2 == ran.code
        assert "p001@crop.example (near: p001@corp.example" in ran.err


def test_invitations_nobody_accepted_are_told_apart_and_counted(crew: Company) -> None:
    """In a list the others are done; alone there is nothing to do."""
    for name in ("new1", "new2"):
        crew.account(name, status="pending")
    invited = [f"{name}@corp.example" for name in ("new1", "new2")]

    ran = crew.syncd("account", "deactivate", "p000@corp.example", *invited, *WHO, "--format", "json")

    rows = rows_of(ran.out)
    assert (5, "done") == (ran.code, rows["p000"]["outcome"])
    assert [("pending", "skipped", "invitation_pending")] * 2 == [
        tuple(rows[name][key] for key in ("status", "outcome", "outcome_reason")) for name in ("new1", "new2")
    ]
    assert "2 are invitations that nobody has accepted, and no accounts yet: new1@corp.example, new2@corp.example" in ran.err
    for words in (("account", "deactivate", invited[0]), ("account", "hold", invited[0])):
        ran = crew.syncd(*words, *WHO)
        assert (2, True) == (ran.code, "1 is an invitation that nobody has accepted" in ran.err)
    assert [("p000", "deactivate")] == crew.written()


def test_hand_verbs_need_no_directory(crew: Company) -> None:
    """Emergency procedures: the directory cannot be read, and accounts can be deactivated, reactivated, shown and held."""
    crew.people.write_text("", encoding="utf-8")
    assert 4 == crew.syncd("plan").code

    assert 0 == crew.syncd("account", "deactivate", "p000@corp.example", *WHO).code
    assert 0 == crew.syncd("account", "reactivate", "p000@corp.example", *WHO).code
    assert 0 == crew.syncd("account", "hold", "p001@corp.example", *WHO).code
    shown = crew.syncd("account", "show", "p000@corp.example", "--format", "json")
    assert 0 == shown.code
    assert "not readable" in json.loads(shown.out)[0]["directory"]
    assert json.loads(shown.out)[0]["on_hold"]  # not surely entitled: better held than locked out again


def test_a_directory_file_that_is_gone_does_not_stop_hand_verbs(crew: Company) -> None:
    """Not even a configuration whose directory file is missing."""
    crew.people.unlink()

    assert 0 == crew.syncd("account", "deactivate", "p000@corp.example", *WHO).code
    assert 4 == crew.syncd("apply").code
    assert [("p000", "deactivate")] == crew.written()


# ------------------------------------------------------------------------------------------------------------- in bulk


def test_a_list_with_a_bad_line_is_refused_before_the_first_change(crew: Company) -> None:
    """Every bad line is named with its number; comments and blank lines are none."""
    lines = "# leavers of May\np000@corp.example\n\nnot an address\np001@corp.example # moved\nx@y@z,\na@b@corp.example\n"
    (crew.folder / "list.txt").write_text(lines, encoding="utf-8")

    ran = crew.syncd("account", "deactivate", "--from-file", "list.txt", *WHO)

    assert (2, "") == (ran.code, ran.out)
    assert "line 4" in ran.err
    assert "line 6" in ran.err
    assert "line 7" in ran.err
    assert "line 1" not in ran.err
    assert [] == crew.zoom.writes


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00bad", b"# nobody\n"])
def test_a_list_that_cannot_be_used_is_a_usage_error(crew: Company, content: bytes | None) -> None:
    """Missing, not UTF-8, empty: 2."""
    if content is not None:
        (crew.folder / "list.txt").write_bytes(content)

    assert 2 == crew.syncd("account", "deactivate", "--from-file", "list.txt", *WHO).code


def test_bulk_changes_pass_the_size_guards_only_with_the_right_count(crew: Company) -> None:
    """--confirm-count N counts the changes, twice-named addresses once; another number is held."""
    names = [f"p{number:03}@corp.example" for number in range(5)]
    (crew.folder / "list.txt").write_text("\r\n".join([*names, names[0].upper()]), encoding="utf-8")
    words = ("account", "deactivate", "--from-file", "list.txt", *WHO)

    held = crew.syncd(*words)
    wrong = crew.syncd(*words, "--confirm-count", "6")
    assert (3, 3) == (held.code, wrong.code)
    assert "--confirm-count 5" in held.err
    assert [] == crew.zoom.writes

    assert 0 == crew.syncd(*words, "--confirm-count", "5").code
    assert 5 == len(crew.written())


def test_some_failed_accounts_of_a_list_make_the_exit_code_five(crew: Company) -> None:
    """The others are done."""
    crew.zoom.tenant.alter("p001@corp.example", room=True)

    ran = crew.syncd("account", "deactivate", "p000@corp.example", "p001@corp.example", *WHO, "--format", "json")

    assert (5, "done", "failed") == (ran.code, rows_of(ran.out)["p000"]["outcome"], rows_of(ran.out)["p001"]["outcome"])


def test_an_unreadable_zoom_stops_hand_verbs_with_four(crew: Company) -> None:
    """Nothing is written on a guess."""
    crew.zoom.faults.add(faults.refusal(300, "No."), "get_user", times=None)

    assert 4 == crew.syncd("account", "deactivate", "p000@corp.example", *WHO).code
    assert 4 == crew.syncd("account", "show", "p000@corp.example").code
    assert [] == crew.zoom.writes


def test_on_a_terminal_a_person_is_asked(crew: Company) -> None:
    """No is no; --yes does not ask."""
    shown, code = on_a_terminal(crew, "account", "deactivate", "p000@corp.example", *WHO, answer="n\n")
    assert "deactivate 1 account" in shown
    assert 0 != code
    assert [] == crew.zoom.writes

    _, code = on_a_terminal(crew, "account", "deactivate", "p000@corp.example", *WHO, "--yes")
    assert 0 == code
    assert [("p000", "deactivate")] == crew.written()


# --------------------------------------------------------------------------------------------------- holds and looking


def test_a_hold_until_a_date_and_until_release(crew: Company) -> None:
    """--until takes a date or a time to come; release needs a hold."""
    assert 0 == crew.syncd("account", "hold", "p000@corp.example", "--until", "2099-12-31", *WHO).code
    assert 0 == crew.syncd("account", "hold", "p001@corp.example", *WHO).code
    for until in ("2020-01-01", "tomorrow"):
        assert 2 == crew.syncd("account", "hold", "p002@corp.example", "--until", until, *WHO).code
    assert 2 == crew.syncd("account", "hold", "nobody@corp.example", *WHO).code
    shown = rows_of(crew.syncd("account", "hold", "p003@corp.example", "--until", "2099-12-31", *WHO, "--format", "json").out)
    assert (True, "2099-12-31T23:59:59Z", "active") == tuple(shown["p003"][key] for key in ("on_hold", "until", "status"))
    shown = rows_of(crew.syncd("account", "release", "p003@corp.example", *WHO, "--format", "json").out)
    assert (False, None, "licensed") == tuple(shown["p003"][key] for key in ("on_hold", "until", "licence"))
    crew.leaves("p000", "p001", "p002")

    plan = crew.syncd("plan", "--format", "json")
    assert ["on_hold", "on_hold", "absent_from_directory"] == [plan.action_of(f"p00{n}@corp.example")[1] for n in range(3)]
    assert 0 == crew.syncd("account", "release", "p000@corp.example", *WHO).code
    assert 2 == crew.syncd("account", "release", "p000@corp.example", *WHO).code


def test_the_command_for_known_leavers_of_a_held_plan_works_as_it_stands(crew: Company) -> None:
    """Under a pause, too."""
    crew.configure({"guards.max_deactivations": 0})
    crew.person("p000", enabled="false")
    crew.person("p001", enabled="false")
    crew.save()
    assert 0 == crew.syncd("pause", *WHO).code

    held = crew.syncd("plan").out
    (command,) = [line.partition("\t")[2] for line in held.splitlines() if line.startswith("command\tsyncd account")]
    ran = crew.syncd(*shlex.split(command.replace("NAME", "'Ann Lee'").replace("TEXT", "ticket"))[1:])

    assert 0 == ran.code, ran.said
    assert ["inactive", "inactive"] == [crew.status(name) for name in ("p000", "p001")]


def test_resume_without_a_pause_says_so(crew: Company) -> None:
    """And records nothing; after a pause, or after a roll-back was accepted, there is something to resume."""
    before = len(crew.entries())
    ran = crew.syncd("resume", *WHO)
    assert (0, True) == (ran.code, "changes are not paused" in ran.out)
    assert before == len(crew.entries())
    assert 0 == crew.syncd("pause", *WHO).code
    assert "resumed\n" == crew.syncd("resume", *WHO).out
    assert "not paused" in crew.syncd("resume", *WHO).out
    assert 0 == crew.syncd("ledger", "accept", "--directory", *WHO).code
    crew.configure({"directory.file.path": str(crew.people.rename(crew.folder / "others.csv"))})
    assert "paused" in crew.syncd("ledger", "accept", "--directory", *WHO).out
    assert "resumed\n" == crew.syncd("resume", *WHO).out


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("plan",), "<!doctype html>"),
        (("account", "show", "p000@corp.example"), "["),
        (("explain", "p000@corp.example"), "{"),
        (("ledger", "show"), "["),
        (("report", "idle"), "{"),
        (("undo",), "["),
        (("apply",), "syncd"),
        (("report", "--from", "2026-01-01", "--to", "2026-01-31"), "<!doctype html>"),
    ],
)
def test_every_verb_writes_what_the_name_of_the_file_says(crew: Company, words: tuple[str, ...], begins: str) -> None:
    """Unless --format says something else; a format that the verb does not have is refused before anything is done."""
    ending = {"<": "html", "s": "csv"}.get(begins[0], "json")
    file = crew.folder / f"result.{ending.upper()}"

    ran = crew.syncd(*words, "--out", str(file))

    assert 0 == ran.code, ran.said
    text = file.read_text(encoding="utf-8-sig")
    assert text.lower().startswith(begins) if begins != "syncd" else "," in text.splitlines()[0]
    assert 0 == crew.syncd(*words, "--out", str(file), "--format", "table").code
    assert not file.read_text(encoding="utf-8").startswith(("<", "[", "{"))
    if ending == "json":
        refused = crew.syncd(*words, "--out", str(crew.folder / "result.xlsx"))
        assert (2, True) == (refused.code, "asks for xlsx, and this verb writes table, json" in refused.err)


def test_entries_of_an_unknown_kind_are_refused_with_the_near_one(crew: Company) -> None:
    refused = crew.syncd("ledger", "show", "--kind", "cycle.endet")
    assert (2, True) == (refused.code, "Did you mean cycle.ended?" in refused.err)
    assert "cycle.ended" in crew.syncd("ledger", "show", "--kind", "nonsense").err
    assert "cycle.ended" in crew.syncd("ledger", "show", "--kind", "cycle.ended").out
    nothing = crew.syncd("ledger", "show", "--kind", "approval")
    assert (0, "no such entry\n") == (nothing.code, nothing.err)


def test_account_show_says_what_both_sides_and_the_ledger_know(crew: Company) -> None:
    """5 when Zoom does not know one of them."""
    crew.leaves("p000")
    crew.syncd("apply")

    ran = crew.syncd("account", "show", "p000@corp.example", "nobody@corp.example", "--format", "json")

    rows = rows_of(ran.out)
    assert (5, "inactive", "unknown") == (ran.code, rows["p000"]["status"], rows["nobody"]["status"])
    assert "absent_from_directory" in str(rows["p000"]["deactivated_by_us"])
    assert "nobody" in str(rows["p000"]["directory"])


def test_explain_tells_one_person_through_every_step(crew: Company) -> None:
    """Found where, by which group, matched how, decided why; writes nothing."""
    crew.person("p000", enabled="false")
    crew.save()
    before = crew.everything_on_disk()

    told = crew.syncd("explain", "p000@corp.example")
    assert 3 > told.code
    for word in ("disabled", "deactivate", "disabled_in_directory", "matched by address", "staff", "promise counts from"):
        assert word in told.out
    as_json = json.loads(crew.syncd("explain", "p000@corp.example", "--format", "json").out)
    account = as_json["accounts"][0]
    assert ("disabled_in_directory", "last_seen_entitled") == (account["reason"], account["measured_from"])
    assert account["left_at"] < account["since"]
    assert before == crew.everything_on_disk()
    unknown = crew.syncd("explain", "p001@crop.example")
    assert (2, True) == (unknown.code, "near       p001@corp.example" in unknown.out)


def test_explain_says_what_a_person_does_about_a_manual_row(crew: Company) -> None:
    """Whom the account is remembered for, and the commands: of a recycled address and of a leaver's at their manager."""
    crew.person("p000", enabled="false")
    crew.person("p001", enabled="false")
    crew.person("boss", address="boss@corp.example;p001@corp.example")
    crew.save()
    assert ("manual", "ambiguous_match") == crew.syncd("apply", "--format", "json").action_of("p001@corp.example")
    crew.rows["p000"] = crew.rows["p000"].replace("p000,", "stranger,", 1).replace(",false,", ",,", 1)
    crew.save()

    recycled, lent = (crew.syncd("explain", f"{name}@corp.example").out for name in ("p000", "p001"))
    assert "remembered for p000, whom the directory does not show any more" in recycled
    assert "syncd account reactivate p000@corp.example --by" in recycled
    assert "remembered for" not in lent
    assert "syncd account deactivate p001@corp.example --by" in lent
    assert "  do  " not in crew.syncd("explain", "p002@corp.example").out


def test_explain_while_a_source_is_unreadable_is_four(crew: Company) -> None:
    """And says why."""
    crew.people.write_text("", encoding="utf-8")

    ran = crew.syncd("explain", "p000@corp.example")

    assert 4 == ran.code
    assert str(crew.people) in ran.said


# ----------------------------------------------------------------------------------------------------------------- undo


def test_undo_puts_status_and_licence_back_and_holds_the_accounts(crew: Company) -> None:
    """Also with a broken directory; the next cycle does not repeat the mistake; a second undo changes nothing."""
    crew.leaves("p000", "p001")
    cycle = crew.syncd("apply", "--format", "json").document["cycle_id"]
    crew.people.write_text("", encoding="utf-8")

    undone = crew.syncd("undo", cycle, *WHO, "--format", "json")
    assert (0, "undo", "applied") == (undone.code, undone.document["trigger"], undone.document["result"])
    for name in ("p000", "p001"):
        account = crew.zoom.tenant.existing(f"{name}@corp.example")
        assert ("active", 2) == (account.status, account.type)

    crew.save()
    after = crew.syncd("apply", "--format", "json")
    assert (0, ("keep", "on_hold")) == (after.code, after.action_of("p000@corp.example"))
    writes = len(crew.written())
    assert 0 == crew.syncd("undo", cycle, *WHO).code
    assert writes == len(crew.written())


def test_undo_leaves_a_protected_account_out_and_brings_the_others_back(crew: Company) -> None:
    """5, and says whom it left out; nobody waits because of somebody else's protection."""
    crew.leaves("p000", "p001")
    cycle = crew.syncd("apply", "--format", "json").document["cycle_id"]
    crew.configure({"protect.accounts": ["p000@corp.example"]})

    undone = crew.syncd("undo", cycle, *WHO)

    assert 5 == undone.code
    assert "not put back: p000@corp.example is protected" in undone.err
    assert ("inactive", "active") == (crew.status("p000"), crew.status("p001"))


def test_undo_of_many_is_no_flapping(crew: Company) -> None:
    """More accounts than ``max_flapping`` came back, but a person brought them: nothing holds the next cycle."""
    crew.configure({"guards.max_flapping": 1})
    crew.leaves("p000", "p001")
    cycle = crew.syncd("apply", "--format", "json").document["cycle_id"]
    assert 0 == crew.syncd("undo", cycle, *WHO).code

    after = crew.syncd("apply", "--format", "json")

    assert (0, []) == (after.code, after.tripped())


def test_undo_of_a_reactivation_deactivates_again(crew: Company) -> None:
    """Whatever the cycle did is put back."""
    crew.leaves("p000")
    crew.syncd("apply")
    crew.person("p000")
    crew.save()
    assert ("keep", "returning") == crew.syncd("apply", "--format", "json").action_of("p000@corp.example")
    cycle = crew.syncd("apply", "--format", "json").document["cycle_id"]
    assert "active" == crew.status("p000")

    assert 0 == crew.syncd("undo", cycle, *WHO).code

    assert "inactive" == crew.status("p000")
    assert ("keep", "on_hold") == crew.syncd("plan", "--format", "json").action_of("p000@corp.example")


def test_undo_lists_cycles_and_puts_back_whom_it_is_told(crew: Company) -> None:
    """Without a cycle the ones that changed something; ``last``; several addresses after one option; by reason."""
    crew.leaves("p000", "p001", "p002")
    cycle = crew.syncd("apply", "--format", "json").document["cycle_id"]

    listed = crew.syncd("undo", "--format", "json")
    assert (0, [(cycle, {"deactivate": 3}, {"absent_from_directory": 3})]) == (
        listed.code,
        [(row["cycle"], row["changes"], row["reasons"]) for row in json.loads(listed.out)],
    )
    assert 2 == crew.syncd("undo", "last").code, "an undo without who and why"
    assert 2 == crew.syncd("undo", "last", "--reason", "left_groups", *WHO).code, "nobody left for that reason"

    one = crew.syncd("undo", "last", "--only", "p000@corp.example", "p001@corp.example", "--except", "p001@corp.example", *WHO)
    assert (0, "active", "inactive", "inactive") == (one.code, *(crew.status(name) for name in ("p000", "p001", "p002")))
    rest = crew.syncd("undo", cycle, "--reason", "absent_from_directory", *WHO)
    assert (0, "active", "active") == (rest.code, crew.status("p001"), crew.status("p002"))


def test_undo_of_an_unknown_cycle_is_a_usage_error(crew: Company) -> None:
    """2, also for the empty string, which begins every cycle's name."""
    crew.leaves("p000")
    crew.syncd("apply")

    for cycle in ("nosuchcycle0", ""):
        assert 2 == crew.syncd("undo", cycle, *WHO).code
    assert 1 == len(crew.written())
