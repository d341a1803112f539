"""Evidence as an auditor gets it: files, a public key, and a command that proves them. Every tampering is tried from outside.

The auditor has no configuration and no credential: an export, the folder of reports, and a public key.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import postgres
from tests.acceptance.company import ADDRESS, WHO, Company, Ran, openssl
from tests.ports import free_port
from tests.tampering import changing, edited, entries_of, replaced, rewritten, tamper


@dataclass
class Crew:
    """A company whose cycles are signed, and what its auditor was handed."""

    company: Company
    url: str

    @property
    def public(self) -> Path:
        return self.company.folder / "public.pem"

    @property
    def manifest(self) -> dict:
        return json.loads((self.company.reports / "MANIFEST").read_text(encoding="utf-8"))

    def heads(self) -> list[str]:
        lines = (self.company.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["head_hash"] for line in lines]

    def verify(self, *more: str) -> Ran:
        """As whoever runs syncd."""
        return self.company.syncd("ledger", "verify", "--public-key", str(self.public), *more)

    def export(self) -> Path:
        path = self.company.folder / "ledger.jsonl"
        assert 0 == self.company.syncd("ledger", "export", "--out", str(path)).code
        return path

    def verify_export(self, export: Path, *more: str) -> Ran:
        """As an auditor: without a configuration."""
        return self.company.syncd("ledger", "verify", "--export", str(export), *more, config=False)


def only_the_reports_are_missed(ran: Ran) -> bool:
    """The chain is whole, and what is wrong is that the reports it lists are gone."""
    faults = [line for line in ran.out.splitlines() if line.startswith("NOT INTACT")]
    missing = ("recorded reports are not in", "that ended are not listed in")
    return "the chain is intact" in ran.out and bool(faults) and all(any(one in fault for one in missing) for fault in faults)


def nothing_is_published(crew: Crew) -> None:
    """Reports and the head beside the ledger are gone: only the chain is left."""
    shutil.rmtree(crew.company.reports)
    crew.company.ledger.with_name(crew.company.ledger.name + ".head").unlink(missing_ok=True)


#: Whoever can write into the database can tamper with it, whatever database it is.
on_every_database = pytest.mark.parametrize("crew", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def crew(request: pytest.FixtureRequest, company: Company) -> Crew:
    """Sixty people; one was deactivated, two were held and approved: four signed cycles."""
    url = company.settings["ledger"]["url"]
    if getattr(request, "param", "sqlite") == "postgresql":
        server: postgres.Server = request.getfixturevalue("postgres_server")
        url = server.database()
    company.configure({"ledger.url": url})
    company.sign()
    company.staff(60)
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    company.configure({"guards.max_deactivations": 1})
    company.leaves("p001", "p002")
    assert 3 == company.syncd("apply").code
    company.approve_what_is_held()
    assert 0 == company.syncd("apply").code
    return Crew(company, url)


# ---------------------------------------------------------------------------------------------------------- all is well


@on_every_database
def test_everything_verifies_with_the_public_key(crew: Crew) -> None:
    """Chain, signatures, heads published, reports and manifest; without secret files, Zoom or directory."""
    (crew.company.folder / "zoom-secret").unlink()
    (crew.company.folder / "signing.pem").unlink()
    crew.company.people.unlink()
    asked = len(crew.company.zoom.requests)

    ran = crew.verify("--head", crew.heads()[0])

    assert 0 == ran.code, ran.out
    assert [] == [
        word
        for word in (
            "the chain is intact, and holds the head given",
            "the signatures fit",
            "are unchanged",
            "the manifest agrees and its signature fits",
        )
        if word not in ran.out
    ]
    assert asked == len(crew.company.zoom.requests)


def test_an_auditor_verifies_the_files_alone(crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An export, the folder, a public key, a head from a report: no configuration, no database, nothing written."""
    away = tmp_path_factory.mktemp("auditor")
    export = Path(shutil.copy(crew.export(), away))
    shutil.copytree(crew.company.reports, away / "reports")
    before = sorted((path, path.stat().st_mtime_ns) for path in away.rglob("*"))

    ran = crew.verify_export(
        export, "--public-key", str(crew.public), "--reports", str(away / "reports"), "--head", crew.heads()[-1]
    )

    assert 0 == ran.code, ran.out
    assert "the manifest agrees and its signature fits" in ran.out
    assert before == sorted((path, path.stat().st_mtime_ns) for path in away.rglob("*"))


def test_the_manifest_lists_every_report_with_its_hash_and_its_entry(crew: Crew) -> None:
    """And the very end of the ledger, signed."""
    manifest, entries = crew.manifest, entries_of(crew.url)
    reports = {path.name for path in crew.company.reports.iterdir()} - {"cycles.jsonl", "MANIFEST"}

    assert "syncd.manifest/1" == manifest["format"]
    assert reports == {one["file"] for one in manifest["files"]}
    for one in manifest["files"]:
        recorded = entries[one["sequence"] - 1]
        assert ("report", one["cycle_id"]) == (recorded.kind, recorded.cycle)
        assert one["sha256"] == json.loads(recorded.body)["sha256"]
        assert one["bytes"] == (crew.company.reports / one["file"]).stat().st_size
    assert {"sequence": entries[-1].seq, "hash": entries[-1].hash} == manifest["head"]
    assert "head.signed" == entries[-1].kind
    assert {"key", "ed25519"} == set(manifest["signature"])


def test_each_signature_is_in_the_log_too(crew: Crew) -> None:
    """Where whoever edits the ledger may not reach it; the key's words are not."""
    ran = crew.company.syncd("apply")

    signed = [event for event in ran.events if event["event"] == "head.signed"]
    last = [entry for entry in entries_of(crew.url) if entry.kind == "head.signed"][-1]
    assert json.loads(last.body)["signature"] == signed[-1]["signature"]
    assert (last.seq - 1, last.previous_hash) == (signed[-1]["head_sequence"], signed[-1]["head_hash"])
    assert "PRIVATE" not in ran.said


def test_the_files_alone_answer_an_auditors_questions(crew: Crew) -> None:
    """Who left, when did they lose access, who approved the exceptions, is this complete?"""
    lines = [json.loads(line) for line in crew.export().read_text(encoding="utf-8").splitlines()]
    intents = {line["body"]["id"]: line for line in lines if line["kind"] == "intent"}
    verified = {
        intents[line["body"]["intent"]]["personal"]["email"]: line["body"]["verified_at"]
        for line in lines
        if line["kind"] == "outcome" and line["body"]["outcome"] == "done"
    }
    approval = next(line["body"] for line in lines if line["kind"] == "approval")
    reads = [line["body"]["read"] for line in lines if "read" in line["body"]]

    assert {f"p00{number}@corp.example" for number in range(3)} == set(verified)
    assert all(verified.values())
    assert (WHO[1], WHO[3], ["max-deactivations"]) == (approval["by"], approval["because"], approval["guards"])
    assert all(sum(read["counts"].values()) == read["accounts"] == 60 for read in reads)


# ------------------------------------------------------------------------------------------------------------ tampering


def shown(crew: Crew, *more: str) -> str:
    """What verify says of a ledger that is not intact."""
    ran = crew.verify(*more)
    assert 6 == ran.code, ran.out
    assert not re.search(r"(?m)^note", ran.out) or "NOT INTACT" in ran.out
    return next(line for line in ran.out.splitlines() if line.startswith("NOT INTACT"))


@on_every_database
def test_an_edited_byte_is_found(crew: Crew) -> None:
    """In the database, and in an export at its line."""
    export = crew.export()
    entry = next(one for one in entries_of(crew.url) if one.kind == "approval")
    tamper(crew.url, f"UPDATE chain SET body = replace(body, 'Ann Lee', 'Bob Lee') WHERE seq = {entry.seq}")
    content = export.read_bytes()

    assert f"NOT INTACT: entry {entry.seq} was edited" in shown(crew)
    for was, now in ((b"Ann Lee", b"Bob Lee"), (b"Ann Lee", b"Ann \xffee")):
        assert was in content
        place = content.index(b'"kind":"approval"')
        place = content.rindex(b"\n", 0, place)
        export.write_bytes(content[:place] + content[place:].replace(was, now, 1))
        ran = crew.verify_export(export)
        assert (6, True) == (ran.code, f"entry {entry.seq} was edited" in ran.out), ran.out
    export.write_bytes(content.replace(b'"seq":3,', b'"seq": 3,', 1))
    assert "line 3 of the export was edited" in crew.verify_export(export).out


@on_every_database
def test_a_deleted_row_is_found(crew: Crew) -> None:
    """The missing number is named, in an export too."""
    export = crew.export()
    tamper(crew.url, "DELETE FROM chain WHERE seq = 4")
    lines = export.read_text(encoding="utf-8").splitlines(keepends=True)
    export.write_text("".join(lines[:3] + lines[4:]), encoding="utf-8")

    assert "entry 4 is missing" in shown(crew)
    assert "entry 4 is missing" in crew.verify_export(export).out


@on_every_database
def test_a_cut_tail_is_found_by_whatever_was_published(crew: Crew) -> None:
    """Back to an earlier signature, the best place for it: the list of cycles, the manifest, the head beside the ledger (SQLite)
    and --head show it."""
    signed = [entry.seq for entry in entries_of(crew.url) if entry.kind == "head.signed"]
    head = crew.heads()[-1]
    export = crew.export()
    lines = export.read_text(encoding="utf-8").splitlines(keepends=True)
    export.write_text("".join(lines[: signed[0]]), encoding="utf-8")
    tamper(crew.url, f"DELETE FROM chain WHERE seq > {signed[0]}")

    assert "are not in the chain" in shown(crew)
    (crew.company.reports / "cycles.jsonl").unlink()
    said = crew.verify().out
    assert "MANIFEST are not in the chain" in said
    nothing_is_published(crew)
    assert head in shown(crew, "--head", head)
    assert head in crew.verify_export(export, "--public-key", str(crew.public), "--head", head).out
    assert 0 == crew.verify().code  # what a chain without an outside anchor does not prove


@on_every_database
def test_a_chain_hashed_anew_is_found_by_its_signature_only(crew: Crew) -> None:
    """Every hash right again, heads and all; only the key is missing."""
    entries = entries_of(crew.url)
    seq = next(one.seq for one in entries if one.kind == "approval")
    forged = rewritten(edited(entries, seq, "Ann Lee", "Bob Lee"), places=True)
    replaced(crew.url, forged)
    nothing_is_published(crew)

    assert only_the_reports_are_missed(crew.company.syncd("ledger", "verify"))
    found = shown(crew)
    signed = next(one.seq for one in entries if one.kind == "head.signed" and one.seq > seq)
    assert f"NOT INTACT: entry {signed}: its signature does not fit" in found
    assert found in crew.verify_export(crew.export(), "--public-key", str(crew.public)).out


@on_every_database
def test_a_new_story_after_a_signed_head_is_found(crew: Crew) -> None:
    """Without the key its cycles cannot be signed."""
    entries = entries_of(crew.url)
    first = next(one.seq for one in entries if one.kind == "head.signed")
    replaced(crew.url, rewritten([*entries[:first], *(one for one in entries[first:] if one.kind != "head.signed")]))
    nothing_is_published(crew)

    assert only_the_reports_are_missed(crew.company.syncd("ledger", "verify"))
    assert "is covered by no signature" in shown(crew)


@on_every_database
def test_a_swapped_report_is_found(crew: Crew) -> None:
    """Another cycle's file under this one's name; also when the manifest was made to fit, for its signature does not."""
    first, second = sorted(crew.company.reports.glob("*.json"))[:2]
    shutil.copy(second, first)

    assert f"NOT INTACT: {first.name}: was changed since the ledger recorded it" == shown(crew)
    ran = crew.verify_export(crew.export(), "--reports", str(crew.company.reports))
    assert (6, True) == (ran.code, first.name in ran.out)

    manifest = crew.company.reports / "MANIFEST"
    hashes = {one["file"]: one["sha256"] for one in crew.manifest["files"]}  # not in the order of names
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(hashes[first.name], hashes[second.name]), encoding="utf-8")
    said = crew.verify().out
    assert "MANIFEST: was changed: its signature does not fit" in said
    assert f"MANIFEST: says of {first.name} what the ledger does not" in said


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("cycles.jsonl", lambda text: text.replace('"held"', '"applied"'), "cycles.jsonl: was changed since the manifest"),
        ("MANIFEST", lambda text: "{}", "MANIFEST: is none that syncd wrote"),
        ("MANIFEST", lambda text: re.sub(r',\n "signature": \{[^}]*\}', "", text), "MANIFEST: is not signed"),
    ],
)
def test_the_lists_beside_the_reports_are_checked_too(crew: Crew, name: str, change: Callable[[str], str], says: str) -> None:
    """The list of cycles may only grow; a manifest must be ours and signed."""
    path = crew.company.reports / name
    text = path.read_text(encoding="utf-8")
    assert change(text) != text
    path.write_text(change(text), encoding="utf-8")

    assert says in shown(crew)


def test_a_manifest_that_was_taken_away_is_missed(crew: Crew) -> None:
    """Nothing would show then that the list of cycles was edited."""
    (crew.company.reports / "MANIFEST").unlink()

    assert "MANIFEST: is not in" in shown(crew)


def test_a_file_nobody_recorded_is_pointed_at(crew: Crew) -> None:
    """A report put beside the others, and one taken away without retention: faults, by name."""
    report = next(crew.company.reports.glob("*.html"))
    report.rename(report.with_name("20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html"))

    ran = crew.verify()

    assert 6 == ran.code
    assert "NOT INTACT: 1 recorded reports are not in" in ran.out
    assert "NOT INTACT: 1 files in" in ran.out
    assert "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html" in ran.out


def test_a_report_that_a_crash_left_unrecorded_is_written_again(company: Company) -> None:
    """A file that the ledger does not vouch for is no report of a later cycle, whatever its name says."""
    company.staff(3)
    company.enforcing()
    for path in company.reports.glob("2*"):
        path.rename(path.with_name("20200101T000000Z_" + path.name.partition("_")[2]))

    assert 0 == company.syncd("apply").code

    listed = json.loads((company.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()[-1])["files"]
    recorded = {entry["body"]["file"] for entry in company.entries() if entry["kind"] == "report"}
    assert set(listed) <= recorded
    assert all((company.reports / name).exists() for name in listed)
    assert "look like reports" in company.syncd("ledger", "verify").out


# ------------------------------------------------------------------------------------------------- keeping and forgetting


def test_retention_removes_files_and_leaves_their_record(crew: Crew) -> None:
    """Names and hashes stay in the ledger, removal included; the list of cycles stays too; everything still verifies."""
    old = {path.name for path in crew.company.reports.glob("2*")}
    crew.company.configure({"reports.keep": "1s"})
    crew.company.leaves("p003")
    time.sleep(1.1)

    ran = crew.company.syncd("apply")

    assert 0 == ran.code, ran.said
    left = {path.name for path in crew.company.reports.glob("2*")}
    gone = old - left
    assert old == gone
    assert left
    recorded = [json.loads(entry.body) for entry in entries_of(crew.url) if entry.kind == "report"]
    removed = [json.loads(entry.body) for entry in entries_of(crew.url) if entry.kind == "report.removed"]
    assert gone == {file for body in removed for file in body["files"]}
    assert gone <= {body["file"] for body in recorded}
    assert not gone & {one["file"] for one in crew.manifest["files"]}
    assert 5 == len(crew.heads())
    ran = crew.verify()
    assert 0 == ran.code, ran.out
    assert f"{len(gone)} were removed when their time was over" in ran.out
    assert 1 == ran.out.count("note: "), ran.out  # what it was not asked to look at, and nothing else


def test_blanked_names_leave_the_chain_as_it_was_signed(crew: Crew) -> None:
    """After ``ledger.keep_personal`` no address is left in ledger or export, and every signature still fits."""
    assert ADDRESS.search(crew.export().read_text(encoding="utf-8"))
    signed = [entry.hash for entry in entries_of(crew.url) if entry.kind == "head.signed"]
    crew.company.configure({"ledger.keep_personal": "1s"})
    time.sleep(1.1)

    assert 0 == crew.company.syncd("apply").code  # it mentions some again, and forgets all before

    export = crew.export()
    known = set(ADDRESS.findall(export.read_text(encoding="utf-8")))
    assert known <= {"p001@corp.example", "p002@corp.example"}
    assert set(signed) <= {entry.hash for entry in entries_of(crew.url)}
    assert 0 == crew.verify().code
    assert 0 == crew.verify_export(export, "--public-key", str(crew.public)).code


# ------------------------------------------------------------------------------------------------------------- the key


def test_a_key_that_cannot_sign_stops_everything_before_it_begins(crew: Crew) -> None:
    """2, with the way to make one, and not a word of the key; ``check`` says it too."""
    key = crew.company.folder / "signing.pem"
    content = openssl("genpkey", "-algorithm", "x25519")
    key.write_text(content, encoding="utf-8")
    entries = len(entries_of(crew.url))

    for words in (("apply",), ("check", "--offline")):
        ran = crew.company.syncd(*words)
        assert 2 == ran.code, ran.said
        assert "openssl genpkey -algorithm ed25519" in ran.err
        assert content.splitlines()[1] not in ran.said
    assert entries == len(entries_of(crew.url))


def test_check_names_the_key(crew: Crew) -> None:
    """By the id that signatures carry."""
    ran = crew.company.syncd("check", "--offline")

    assert 0 == ran.code
    assert f"ok    signing key: Ed25519, id {crew.manifest['signature']['key']}" in ran.out


def test_a_key_that_vanishes_under_a_daemon_is_told_and_made_up_for(crew: Crew) -> None:
    """The cycle stands and its report is written; once the key is back the next signature covers both."""
    company, key = crew.company, crew.company.folder / "signing.pem"
    content = key.read_text(encoding="utf-8")
    with company.running(listen=f"127.0.0.1:{free_port()}") as daemon:
        daemon.wait_ready()
        daemon.wait_cycles(1)
        daemon.wait(lambda: entries_of(crew.url)[-1].kind == "head.signed", "signed")
        key.unlink()
        company.leaves("p004")
        daemon.sync()
        daemon.wait(lambda: daemon.events("report.failed"), "told")
        assert "inactive" == company.status("p004")
        assert "is covered by no signature" in shown(crew)
        key.write_text(content, encoding="utf-8")
        daemon.sync()
        daemon.wait(lambda: entries_of(crew.url)[-1].kind == "head.signed", "signed")
        daemon.wait(lambda: entries_of(crew.url)[-1].seq == crew.manifest["head"]["sequence"], "in the manifest")

        assert "reports.signing_key" in daemon.events("report.failed")[0]["why"]
        assert 0 == crew.verify().code


def test_without_a_key_nothing_is_signed_and_the_manifest_says_so_by_its_absence(company: Company) -> None:
    """Signing is a choice; the manifest is not."""
    company.staff(3)
    company.enforcing()

    manifest = json.loads((company.reports / "MANIFEST").read_text(encoding="utf-8"))
    assert "signature" not in manifest
    assert "head.signed" not in {entry["kind"] for entry in company.entries()}
    ran = company.syncd("ledger", "verify")
    assert (0, True) == (ran.code, "the manifest agrees" in ran.out)


# --------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    "arguments",
    [
        ("--export", "missing.jsonl"),
        ("--export", "people.csv", "--reports", "missing"),
        ("--export", "people.csv", "--public-key", "missing.pem"),
        ("--export", "people.csv", "--public-key", "people.csv"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(company: Company, arguments: tuple[str, ...]) -> None:
    """2, and the option is named; a file that is no export is not intact: 6."""
    ran = company.syncd("ledger", "verify", *arguments, config=False)

    assert (2, "") == (ran.code, ran.out)
    assert arguments[-2] in ran.err
    assert 6 == company.syncd("ledger", "verify", "--export", "people.csv", config=False).code


@on_every_database
@pytest.mark.parametrize(
    "instead",
    ["", "CREATE INDEX chain_by_kind ON chain (kind) WHERE kind <> 'pause'", "CREATE INDEX chain_by_kind ON chain (hash)"],
)
def test_an_index_that_is_not_ours_any_more_is_found(crew: Crew, instead: str) -> None:
    """Gone, of some rows only, of another column; one more of whoever looks after the database does no harm."""
    with changing(crew.url) as connection:
        connection.execute("CREATE INDEX of_the_database_team ON chain (subject)")
    assert 0 == crew.verify().code
    with changing(crew.url) as connection:
        for statement in filter(None, ("DROP INDEX chain_by_kind", instead)):
            connection.execute(statement)

    assert "somebody changed or removed indexes of the ledger: chain_by_kind" in shown(crew)
