"""Named tamperings of evidence: of a ledger's rows, of what lies beside the chain, of its database, of the published lists, of
reports, and of an export. Each changes a copy of good evidence as somebody with all rights on the machine would, without the key.

What is not among them: a tail cut off at a signed head with every list of heads gone, which only a head kept elsewhere shows.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from syncd.ledger import record
from syncd.ledger.chain import Tip, link, personal_ref
from syncd.model import Draft, LedgerEntry, canonical_json
from tests.tampering import edited, entries_of, replaced, rewritten, unguarded


@dataclass(frozen=True)
class Scene:
    """A copy of the evidence of one company, to be spoilt."""

    folder: Path

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "ledger.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.ledger}"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def export(self) -> Path:
        return self.folder / "ledger.jsonl"

    def entries(self) -> list[LedgerEntry]:
        return entries_of(self.url)

    def of(self, kind: str, place: int = -1) -> LedgerEntry:
        """One entry of a kind, the last unless *place* says otherwise."""
        return [entry for entry in self.entries() if entry.kind == kind][place]

    def sql(self, *statements: str) -> None:
        """Statements on the database, with what guards the chain away meanwhile and back afterwards."""
        with unguarded(self.url) as connection:
            for statement in statements:
                connection.execute(statement)

    def raw(self, *statements: str) -> None:
        """Statements on the database as it is."""
        with closing(sqlite3.connect(self.ledger, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    def set(self, entry: LedgerEntry, column: str, value: str) -> None:
        """Another value in one column; *value* is SQL."""
        self.sql(f"UPDATE chain SET {column} = {value} WHERE seq = {entry.seq}")

    def body(self, entry: LedgerEntry, change: Callable[[dict[str, Any]], object]) -> None:
        """Another body, as canonical as the one that was there. Hashes stay."""
        body = json.loads(entry.body)
        change(body)
        assert canonical_json(body) != entry.body
        self.set(entry, "body", "'" + canonical_json(body).replace("'", "''") + "'")

    def put(self, entries: Sequence[LedgerEntry]) -> None:
        """These entries instead of the chain."""
        replaced(self.url, entries)

    def forge(self, change: Callable[[list[LedgerEntry]], Sequence[LedgerEntry]]) -> None:
        """A changed chain with every hash computed anew, signed heads naming the heads there are; only the key is missing."""
        self.put(rewritten(change(self.entries()), places=True))

    def forge_body(self, kind: str, was: str, now: str) -> None:
        """Another word in the body of the last entry of a kind, and every hash computed anew."""
        self.forge(lambda entries: edited(entries, self.of(kind).seq, was, now))

    def file(self, pattern: str, place: int = 0) -> Path:
        """One of the files in the folder of reports."""
        return sorted(self.reports.glob(pattern))[place]

    def text(self, path: Path, change: Callable[[str], str]) -> None:
        """Another text in a file."""
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert before != after, f"nothing was changed in {path.name}"
        path.write_text(after, encoding="utf-8")

    def lines(self, path: Path, change: Callable[[list[str]], list[str]]) -> None:
        """Other lines in a file."""
        self.text(path, lambda text: "".join(change(text.splitlines(keepends=True))))

    def exported(self, kind: str, change: Callable[[dict[str, Any]], object]) -> None:
        """The last line of a kind in the export with something else in it, written as an export writes lines."""

        def changed(lines: list[str]) -> list[str]:
            place = [number for number, line in enumerate(lines) if json.loads(line)["kind"] == kind][-1]
            fields = json.loads(lines[place])
            change(fields)
            return [*lines[:place], canonical_json(fields) + "\n", *lines[place + 1 :]]

        self.lines(self.export, changed)

    def damage(self, offset: int, content: bytes) -> None:
        """Other bytes in the middle of the database file."""
        self.raw("PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(self.ledger.read_bytes())
        data[offset : offset + len(content)] = content
        self.ledger.write_bytes(data)


def earlier(at: str, **by: float) -> str:
    """A time of an entry, moved back, in the same form."""
    moved = datetime.fromisoformat(at) - timedelta(**by)
    return moved.isoformat(timespec="microseconds").replace("+00:00", "Z")


def without(entries: Sequence[LedgerEntry], gone: Callable[[LedgerEntry], bool]) -> list[LedgerEntry]:
    """The entries but some."""
    left = [entry for entry in entries if not gone(entry)]
    assert len(left) < len(entries)
    return left


def numbered(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The same entries with numbers that follow each other; hashes stay."""
    return [replace(entry, seq=number) for number, entry in enumerate(entries, 1)]


def swapped(entries: Sequence[LedgerEntry], seq: int) -> list[LedgerEntry]:
    """Two neighbours in the other order."""
    return [*entries[: seq - 1], entries[seq], entries[seq - 1], *entries[seq + 1 :]]


def one_more(entries: Sequence[LedgerEntry], draft: Draft) -> list[LedgerEntry]:
    """An entry at the end that continues the chain in order."""
    last = entries[-1]
    return [*entries, link(draft, at=last.at, term=last.term, previous=Tip(last.seq, last.hash, last.at, last.term))]


# ------------------------------------------------------------------------------------------------------ edited rows


def edits() -> dict[str, Callable[[Scene], None]]:
    """One value of one row is another one."""
    return {
        "approval by somebody else": lambda s: s.body(s.of("approval"), lambda body: body.update(by="Bob Lee")),
        "approval for another reason": lambda s: s.body(s.of("approval"), lambda body: body.update(because="ticket 1")),
        "approval of a guard more": lambda s: s.body(s.of("approval"), lambda body: body["guards"].append("flapping")),
        "approval of an effect less": lambda s: s.body(s.of("approval"), lambda body: body["effects"].pop()),
        "intent turned round": lambda s: s.body(s.of("intent"), lambda body: body.update(action="reactivate")),
        "outcome turned round": lambda s: s.body(s.of("outcome"), lambda body: body.update(outcome="failed")),
        "outcome verified earlier": lambda s: s.body(
            s.of("outcome"), lambda body: body.update(verified_at="2020-01-01T00:00:00Z")
        ),
        "result of a cycle": lambda s: s.body(s.of("cycle.ended"), lambda body: body.update(result="held")),
        "hold for somebody else": lambda s: s.set(s.of("hold"), "subject", "'somebody'"),
        "name reference of another entry": lambda s: s.body(
            s.of("intent"), lambda body: body.update(who=json.loads(s.of("intent", 0).body)["who"])
        ),
        "signature replaced": lambda s: s.body(
            s.of("head.signed"), lambda body: body.update(signature=json.loads(s.of("head.signed", 0).body)["signature"])
        ),
        "kind of an entry": lambda s: s.set(s.of("hold"), "kind", "'release'"),
        "cycle of an entry": lambda s: s.set(s.of("outcome"), "cycle", f"'{s.of('outcome', 0).cycle}'"),
        "term raised": lambda s: s.set(s.of("cycle.ended", 0), "term", "term + 1"),
        "term taken away": lambda s: s.set(s.of("cycle.ended"), "term", "0"),
        "blank in a body": lambda s: s.set(s.of("approval"), "body", "replace(body, '\":', '\": ')"),
        "key twice in a body": lambda s: s.set(s.of("approval"), "body", '\'{"by":"Bob Lee",\' || substr(body, 2)'),
        "body that is no JSON": lambda s: s.set(s.of("approval"), "body", "'{'"),
        "body as bytes": lambda s: s.set(s.of("approval"), "body", "CAST(body AS BLOB)"),
        "hash in capitals": lambda s: s.set(s.entries()[-1], "hash", "upper(hash)"),
        "hash of the last entry": lambda s: s.set(s.entries()[-1], "hash", f"'{'0' * 64}'"),
        "previous hash of the first entry": lambda s: s.set(s.entries()[0], "previous_hash", f"'{'1' * 64}'"),
    }


def times() -> dict[str, Callable[[Scene], None]]:
    """When something happened is something else."""

    def all_earlier(entries: list[LedgerEntry]) -> list[LedgerEntry]:
        return [replace(entry, at=earlier(entry.at, days=1)) for entry in entries]

    def one_earlier(entries: list[LedgerEntry]) -> list[LedgerEntry]:
        middle = len(entries) // 2
        return [*entries[:middle], replace(entries[middle], at=earlier(entries[middle].at, days=9)), *entries[middle + 1 :]]

    return {
        "time by a microsecond": lambda s: s.set(s.of("outcome"), "at", f"'{earlier(s.of('outcome').at, microseconds=1)}'"),
        "time by a year": lambda s: s.set(s.of("approval"), "at", f"'{earlier(s.of('approval').at, days=365)}'"),
        "time in another form": lambda s: s.set(s.of("approval"), "at", "replace(at, 'Z', '+00:00')"),
        "every time a day earlier, hashed anew": lambda s: s.forge(all_earlier),
        "time before the entries before it, hashed anew": lambda s: s.put(rewritten_as_it_is(one_earlier(s.entries()))),
    }


def rewritten_as_it_is(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Hashed anew with times that ``link`` would put in order."""
    from syncd.ledger.chain import hash_of

    made: list[LedgerEntry] = []
    before = entries[0].previous_hash
    for entry in entries:
        before_hash, before = (
            before,
            hash_of(entry.seq, entry.at, entry.cycle, entry.term, entry.kind, entry.subject, entry.body, before),
        )
        made.append(replace(entry, previous_hash=before_hash, hash=before))
    return made


# -------------------------------------------------------------------------------------- rows gone, moved, put between


def deletions() -> dict[str, Callable[[Scene], None]]:
    """Rows are not there any more."""

    def gone(seq: int) -> str:
        return f"DELETE FROM chain WHERE seq = {seq}"

    def without_a_cycle(s: Scene) -> Callable[[LedgerEntry], bool]:
        cycle = s.of("cycle.ended", 1).cycle
        return lambda entry: entry.cycle == cycle

    return {
        "first row deleted": lambda s: s.sql(gone(1)),
        "row in the middle deleted": lambda s: s.sql(gone(s.of("approval").seq)),
        "last two rows deleted": lambda s: s.sql(f"DELETE FROM chain WHERE seq > {s.entries()[-1].seq - 2}"),
        "tail deleted back to an earlier signature": lambda s: s.sql(
            f"DELETE FROM chain WHERE seq > {s.of('head.signed', 1).seq}"
        ),
        "every row deleted": lambda s: s.sql("DELETE FROM chain"),
        "first half deleted": lambda s: s.sql(f"DELETE FROM chain WHERE seq <= {len(s.entries()) // 2}"),
        "row deleted, the others renumbered": lambda s: s.put(
            numbered(without(s.entries(), lambda entry: entry.seq == s.of("approval").seq))
        ),
        "pause deleted, hashed anew": lambda s: s.forge(lambda entries: without(entries, lambda entry: entry.kind == "pause")),
        "cycle deleted, hashed anew": lambda s: s.forge(lambda entries: without(entries, without_a_cycle(s))),
        "every signature deleted, hashed anew": lambda s: s.forge(
            lambda entries: without(entries, lambda entry: entry.kind == "head.signed")
        ),
        "one signature deleted, hashed anew": lambda s: s.forge(
            lambda entries: without(entries, lambda entry: entry.seq == s.of("head.signed", 1).seq)
        ),
    }


def moves() -> dict[str, Callable[[Scene], None]]:
    """Rows stand elsewhere, or there is one more."""

    def middle(s: Scene) -> int:
        return s.of("intent").seq

    return {
        "neighbours swapped": lambda s: s.put(numbered(swapped(s.entries(), middle(s)))),
        "neighbours swapped, hashed anew": lambda s: s.forge(lambda entries: swapped(entries, middle(s))),
        "first row put last, hashed anew": lambda s: s.forge(lambda entries: [*entries[1:], entries[0]]),
        "row put between, renumbered": lambda s: s.put(numbered([*s.entries()[:5], s.of("approval"), *s.entries()[5:]])),
        "approval put between, hashed anew": lambda s: s.forge(
            lambda entries: [*entries[:5], replace(s.of("approval"), cycle=""), *entries[5:]]
        ),
        "cycle without a signature at the end": lambda s: s.put(
            one_more(s.entries(), Draft("cycle.ended", json.loads(s.of("cycle.ended").body), cycle="zzzzzzzzzzzz"))
        ),
        "cycle with an old signature at the end": lambda s: s.put(
            one_more(
                one_more(s.entries(), Draft("cycle.ended", json.loads(s.of("cycle.ended").body), cycle="zzzzzzzzzzzz")),
                Draft("head.signed", json.loads(s.of("head.signed").body)),
            )
        ),
        "last row twice": lambda s: s.put([*s.entries(), replace(s.entries()[-1], seq=s.entries()[-1].seq + 1)]),
        "row at the end with a gap before it": lambda s: s.put(
            [*s.entries(), replace(s.entries()[-1], seq=s.entries()[-1].seq + 2)]
        ),
        "row before the first": lambda s: s.put([replace(s.entries()[0], seq=0), *s.entries()]),
    }


# ------------------------------------------------------------------------------------------------- forged with care


def forgeries() -> dict[str, Callable[[Scene], None]]:
    """Every hash is right again; only the key is missing."""
    return {
        "approver, hashed anew": lambda s: s.forge_body("approval", "Ann Lee", "Bob Lee"),
        "outcome, hashed anew": lambda s: s.forge_body("outcome", '"done"', '"failed"'),
        "whose ledger it is, hashed anew": lambda s: s.forge(
            lambda entries: edited(entries, s.of("ledger.opened").seq, "ledger_id", "ledger_ix")
        ),
        "what was in force, hashed anew": lambda s: s.forge_body("policy.in_force", '"values":{', '"values":{"a":1,'),
        "hash of a report, hashed anew": lambda s: s.forge_body("report", json.loads(s.of("report").body)["sha256"], "0" * 64),
        "reason of a hold, hashed anew": lambda s: s.forge_body("hold", "ticket 4711", "ticket 4712"),
        "review by somebody else, hashed anew": lambda s: s.forge_body("review", "Ann Lee", "Bob Lee"),
        "blanking taken from the list, hashed anew": lambda s: s.forge(
            lambda entries: [
                replace(entry, body=re.sub(r'"refs":\["\w+",?', '"refs":[', entry.body, count=1)) for entry in entries
            ]
        ),
    }


# ------------------------------------------------------------------------------------------------- beside the chain


def made_up() -> dict[str, Callable[[Scene], None]]:
    """Entries after the last signature that continue the chain in order: what nobody asked for, or an excuse for what is gone."""

    def once_more(kind: str, subject: str = "", **says: Any) -> Callable[[Scene], None]:
        return lambda s: s.put(one_more(s.entries(), Draft(kind, {**json.loads(s.of(kind).body), **says}, subject)))

    def blanked(s: Scene) -> None:
        with closing(sqlite3.connect(s.ledger, isolation_level=None)) as database:
            refs = [ref for (ref,) in database.execute("SELECT ref FROM personal WHERE value IS NOT NULL")]
            database.execute("UPDATE personal SET value = NULL, salt = NULL, blanked_at = last_at WHERE value IS NOT NULL")
        now = datetime.fromisoformat(s.entries()[-1].at)
        s.put(one_more(s.entries(), record.blanked(refs, now)[0]))

    def removed(s: Scene) -> None:
        name = s.file("2*.json")
        name.unlink()
        now = datetime.fromisoformat(s.entries()[-1].at)
        s.put(one_more(s.entries(), record.report_removed("", [name.name], now)))

    def report(s: Scene) -> None:
        """The period's report says something else, and an entry says so too."""
        name = s.file("syncd_*.csv")
        s.text(name, lambda text: text.replace("corp", "crop"))
        s.put(one_more(s.entries(), record.reported("", name.name, sha256(name.read_bytes()).hexdigest(), {"inside": True})))

    def shorter(s: Scene) -> None:
        """The list and manifest of then, and entries that say why the later cycles were not filed."""
        listed = (s.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()
        for name in ("MANIFEST", "cycles.jsonl"):
            shutil.copy(s.folder / f"{name.partition('.')[0]}.older", s.reports / name)
        kept = (s.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()
        entries = s.entries()
        for line in listed[len(kept) :]:
            entries = one_more(entries, record.report_unfiled(json.loads(line)["cycle_id"], "No space left on device"))
        s.put(entries)

    return {
        "report of a period edited, and an entry that says so": report,
        "list and manifest of then, and entries that say why": shorter,
        "approval made up": once_more("approval", "another", by="Bob Lee"),
        "hold made up": once_more("hold", "somebody"),
        "resume made up": once_more("resume"),
        "review made up": once_more("review", by="Bob Lee"),
        "names emptied, and an entry that says so": blanked,
        "report deleted, and an entry that says so": removed,
    }


def names() -> dict[str, Callable[[Scene], None]]:
    """Names and addresses, which lie beside the chain."""
    there = "value IS NOT NULL"
    some = f"ref = (SELECT min(ref) FROM personal WHERE {there})"

    def two_swapped(s: Scene) -> None:
        with closing(sqlite3.connect(s.ledger, isolation_level=None)) as database:
            (one, *a), (two, *b) = database.execute(f"SELECT ref, salt, value FROM personal WHERE {there} LIMIT 2").fetchall()
            database.execute("UPDATE personal SET salt = ?, value = ? WHERE ref = ?", (*b, one))
            database.execute("UPDATE personal SET salt = ?, value = ? WHERE ref = ?", (*a, two))

    def another_under_its_own_hash(s: Scene) -> None:
        value = canonical_json({"email": "zoe@corp.example"})
        with closing(sqlite3.connect(s.ledger, isolation_level=None)) as database:
            database.execute(
                f"UPDATE personal SET ref = ?, salt = ?, value = ? WHERE {some}",
                (personal_ref(b"0" * 16, value), b"0" * 16, value),
            )

    return {
        "name edited": lambda s: s.raw(f"UPDATE personal SET value = replace(value, 'corp', 'crop') WHERE {some}"),
        "salt edited": lambda s: s.raw(f"UPDATE personal SET salt = x'00' WHERE {some}"),
        "names swapped": two_swapped,
        "name under another hash": another_under_its_own_hash,
        "name emptied": lambda s: s.raw(
            f"UPDATE personal SET value = NULL, salt = NULL, blanked_at = '2026-01-01T00:00:00Z' WHERE {some}"
        ),
        "name emptied, its time not": lambda s: s.raw(f"UPDATE personal SET value = NULL, salt = NULL WHERE {some}"),
        "every name emptied": lambda s: s.raw(
            "UPDATE personal SET value = NULL, salt = NULL, blanked_at = '2026-01-01T00:00:00Z'"
        ),
        "name marked as blanked": lambda s: s.raw(f"UPDATE personal SET blanked_at = '2026-01-01T00:00:00Z' WHERE {some}"),
        "names made to look older": lambda s: s.raw(f"UPDATE personal SET last_at = '2020-01-01T00:00:00.000000Z' WHERE {there}"),
        "row of a name deleted": lambda s: s.raw(f"DELETE FROM personal WHERE {some}"),
        "row of a blanked name deleted": lambda s: s.raw(
            "DELETE FROM personal WHERE ref = (SELECT min(ref) FROM personal WHERE value IS NULL)"
        ),
        "blanked name filled again": lambda s: s.raw(
            "UPDATE personal SET value = '{\"email\":\"zoe@corp.example\"}', salt = x'00', blanked_at = NULL "
            "WHERE ref = (SELECT min(ref) FROM personal WHERE value IS NULL)"
        ),
    }


def database() -> dict[str, Callable[[Scene], None]]:
    """What guards the chain, its indexes, its tables, its file."""

    def shadowed(s: Scene) -> None:
        s.raw("ALTER TABLE chain RENAME TO other", "CREATE VIEW chain AS SELECT * FROM other")

    return {
        "guard against updates removed": lambda s: s.raw("DROP TRIGGER chain_no_update"),
        "guard against deletions removed": lambda s: s.raw("DROP TRIGGER chain_no_delete"),
        "guard of the order removed": lambda s: s.raw("DROP TRIGGER chain_in_order"),
        "guard that guards nothing": lambda s: s.raw(
            "DROP TRIGGER chain_no_update",
            "CREATE TRIGGER chain_no_update BEFORE UPDATE ON chain WHEN 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        "trigger that edits what comes": lambda s: s.raw(
            "CREATE TRIGGER helper AFTER INSERT ON personal BEGIN UPDATE personal SET value = NULL WHERE ref = NEW.ref; END"
        ),
        "names in a table that drops what is there already": lambda s: s.raw(
            "ALTER TABLE personal RENAME TO other",
            "CREATE TABLE personal (ref TEXT NOT NULL, subject TEXT NOT NULL, salt BLOB, value TEXT, first_at TEXT NOT NULL, "
            "last_at TEXT NOT NULL, blanked_at TEXT, PRIMARY KEY (ref) ON CONFLICT IGNORE)",
            "INSERT INTO personal SELECT * FROM other",
            "DROP TABLE other",
            "CREATE INDEX personal_by_subject ON personal (subject)",
        ),
        "column more": lambda s: s.raw("ALTER TABLE chain ADD COLUMN note TEXT"),
        "fence emptied": lambda s: s.raw("DELETE FROM fence"),
        "fence beyond every term": lambda s: s.raw("UPDATE fence SET term = 9223372036854775807"),
        "schema of a version that is none": lambda s: s.raw("UPDATE schema_version SET version = 'x'"),
        "index removed": lambda s: s.raw("DROP INDEX chain_by_kind"),
        "index of another column": lambda s: s.raw("DROP INDEX chain_by_term", "CREATE INDEX chain_by_term ON chain (hash)"),
        "index of some rows only": lambda s: s.raw(
            "DROP INDEX chain_by_kind", "CREATE INDEX chain_by_kind ON chain (kind) WHERE kind <> 'pause'"
        ),
        "index that lacks rows": index_that_lacks_rows,
        "view in place of the chain": shadowed,
        "chain copied into a table without rules": lambda s: s.raw(
            "ALTER TABLE chain RENAME TO other",
            "CREATE TABLE chain (seq, at, cycle, term, kind, subject, body, previous_hash, hash)",
            "INSERT INTO chain SELECT * FROM other",
            "DROP TABLE other",
        ),
        "schema of another version": lambda s: s.raw("UPDATE schema_version SET version = 99"),
        "schema of no version": lambda s: s.raw("DELETE FROM schema_version"),
        "bytes of a page": lambda s: s.damage(3 * 4096 + 200, b"\xff" * 64),
        "header of the file": lambda s: s.damage(0, b"no database at all"),
        "file cut in half": lambda s: s.ledger.write_bytes(s.ledger.read_bytes()[: s.ledger.stat().st_size // 2]),
        "file emptied": lambda s: s.ledger.write_bytes(b""),
        "file removed": lambda s: s.ledger.unlink(),
    }


def index_that_lacks_rows(s: Scene) -> None:
    """The text of an index says that it holds every row, its pages that it holds some."""
    s.raw(
        "DROP INDEX chain_by_kind",
        "CREATE INDEX chain_by_kind ON chain (kind) WHERE kind <> 'pause'",
        "PRAGMA writable_schema = 1",
    )
    with closing(sqlite3.connect(s.ledger, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX chain_by_kind ON chain (kind)' WHERE name = 'chain_by_kind'"
        )


# ------------------------------------------------------------------------------------------------------ what is filed


def lists() -> dict[str, Callable[[Scene], None]]:
    """The published heads and the list of cycles, the manifest, the head beside the ledger."""

    def cycles(s: Scene) -> Path:
        return s.reports / "cycles.jsonl"

    def manifest(s: Scene) -> Path:
        return s.reports / "MANIFEST"

    def beside(s: Scene) -> Path:
        return s.ledger.with_name(s.ledger.name + ".head")

    def cut_at_a_signature_without_reports(s: Scene) -> None:
        settings = s.folder / "syncd.yaml"
        kept = [line for line in settings.read_text(encoding="utf-8").splitlines() if line.strip() != f"directory: {s.reports}"]
        settings.write_text("\n".join(kept) + "\n", encoding="utf-8")
        s.sql(f"DELETE FROM chain WHERE seq > {s.of('head.signed', -2).seq}")

    def made_up(**says: Any) -> Callable[[Scene], None]:
        """A line more at the end, which the manifest does not cover: the last one, with this in it."""
        return lambda s: s.lines(cycles(s), lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), **says}) + "\n"])

    def cut_everywhere_but_beside(s: Scene) -> None:
        last = s.of("head.signed", 1).seq
        s.sql(f"DELETE FROM chain WHERE seq > {last}")
        shutil.rmtree(s.reports)

    return {
        "head of a cycle": lambda s: s.text(
            cycles(s), lambda text: text.replace(json.loads(text.splitlines()[0])["head_hash"], "0" * 64)
        ),
        "result of a listed cycle": lambda s: s.text(cycles(s), lambda text: text.replace('"held"', '"applied"')),
        "listed cycle taken away": lambda s: s.lines(cycles(s), lambda lines: [*lines[:1], *lines[2:]]),
        "first listed cycle taken away": lambda s: s.lines(cycles(s), lambda lines: lines[1:]),
        "listed cycles in another order": lambda s: s.lines(cycles(s), lambda lines: [lines[1], lines[0], *lines[2:]]),
        "listed cycle twice": lambda s: s.lines(cycles(s), lambda lines: [lines[0], *lines]),
        "made-up cycle listed last": made_up(cycle_id="zzzzzzzzzzzzzzzz"),
        "made-up cycle without a head listed last": made_up(cycle_id="zzzzzzzzzzzzzzzz", head_sequence=0, head_hash=""),
        "made-up cycle of few words listed last": lambda s: s.lines(cycles(s), lambda lines: [*lines, '{"cycle_id": "zzzz"}\n']),
        "made-up cycle with a head beyond numbers listed last": lambda s: s.lines(
            cycles(s), lambda lines: [*lines, '{"cycle_id": "zzzz", "head_sequence": Infinity, "head_hash": "00"}\n']
        ),
        "last listed cycle once more, with another result": made_up(result="applied"),
        "last listed cycle once more, said not to be recorded": made_up(result="applied", recorded=False),
        "last listed cycle once more, at another time": made_up(started_at="2020-01-01T00:00:00Z"),
        "last listed cycle once more, by another trigger": made_up(trigger="schedule"),
        "last listed cycle once more, in the other mode": made_up(mode="report"),
        "last listed cycle once more, with another file": made_up(file="20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html"),
        "last listed cycle once more, without files": made_up(files=[]),
        "last listed cycle once more, with a cause": made_up(problem="the directory did not answer"),
        "last listed cycle once more, with a key twice": lambda s: s.lines(
            cycles(s), lambda lines: [*lines, lines[-1].replace('"result":', '"result": "applied", "result":')]
        ),
        "last listed cycle once more, of another plan": made_up(plan_digest="0" * 64),
        "last listed cycle once more, with an earlier head": lambda s: made_up(
            **{
                key: json.loads(cycles(s).read_text(encoding="utf-8").splitlines()[0])[key]
                for key in ("head_sequence", "head_hash")
            }
        )(s),
        "list of cycles emptied": lambda s: cycles(s).write_text("", encoding="utf-8"),
        "list of cycles taken away": lambda s: cycles(s).unlink(),
        "older manifest": lambda s: manifest(s).write_text(
            s.folder.joinpath("MANIFEST.older").read_text(encoding="utf-8"), encoding="utf-8"
        ),
        "older manifest with the list of then": lambda s: (
            shutil.copy(s.folder / "MANIFEST.older", manifest(s)),
            shutil.copy(s.folder / "cycles.older", cycles(s)),
        )[0],
        "manifest taken away": lambda s: manifest(s).unlink(),
        "manifest and the last listed cycle taken away": lambda s: (
            manifest(s).unlink(),
            s.lines(cycles(s), lambda lines: lines[:-1]),
        )[1],
        "file taken out of the manifest": lambda s: s.text(manifest(s), without_a_file),
        "manifest without its signature": lambda s: s.text(
            manifest(s), lambda text: re.sub(r',\n "signature": \{[^}]*\}', "", text)
        ),
        "manifest with a key twice": lambda s: s.text(
            manifest(s), lambda text: text.replace("{", '{\n "head": {"sequence": 1, "hash": "00"},', 1)
        ),
        "manifest in one line": lambda s: s.text(manifest(s), lambda text: json.dumps(json.loads(text))),
        "manifest of another ledger": lambda s: s.text(
            manifest(s), lambda text: text.replace(json.loads(text)["ledger_id"], "another-ledger")
        ),
        "manifest with a head beyond numbers": lambda s: s.text(
            manifest(s), lambda text: re.sub(r'"sequence": \d+', '"sequence": Infinity', text, count=1)
        ),
        "head beside the ledger of no chain": lambda s: beside(s).write_text(f"9999 {'0' * 64}\n", encoding="ascii") and None,
        "tail cut at a signature, nothing filed, the head beside the ledger left": cut_at_a_signature_without_reports,
        "folder in place of the list of cycles": lambda s: (cycles(s).unlink(), cycles(s).mkdir())[1],
        "folder in place of a period's report": lambda s: (
            name := s.file("syncd_*.csv"),
            name.unlink(),
            name.mkdir(),
        )[2],
        "manifest that is none": lambda s: manifest(s).write_text("{}", encoding="utf-8"),
        "tail and folder gone, the head beside the ledger left": cut_everywhere_but_beside,
    }


def without_a_file(text: str) -> str:
    """A manifest that names one file less."""
    manifest = json.loads(text)
    manifest["files"].pop()
    return json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"


def reports() -> dict[str, Callable[[Scene], None]]:
    """Reports of cycles and of a period."""
    return {
        "report edited": lambda s: s.text(s.file("2*.html"), lambda text: text.replace("corp", "crop")),
        "table edited": lambda s: s.text(s.file("2*_applied.csv"), lambda text: text.replace("deactivate", "keep")),
        "report with a line end more": lambda s: s.text(s.file("2*.json"), lambda text: text + "\n"),
        "report emptied": lambda s: s.file("2*.html").write_bytes(b""),
        "report deleted": lambda s: s.file("2*.json").unlink(),
        "every report deleted": lambda s: list(map(Path.unlink, s.reports.glob("2*"))) and None,
        "reports swapped": lambda s: swap(s.file("2*.json"), s.file("2*.json", 1)),
        "report renamed": lambda s: (
            s.file("2*.html").rename(s.reports / "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html") and None
        ),
        "report given the name of an unfinished one": lambda s: s.file("2*.html").rename(f"{s.file('2*.html')}.new") and None,
        "last report given the name of an unfinished one": lambda s: (
            s.file("2*.html", -1).rename(f"{s.file('2*.html', -1)}.new") and None
        ),
        "report put beside the others": lambda s: (
            shutil.copy(s.file("2*.html"), s.reports / "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html") and None
        ),
        "report put beside the others in capitals": lambda s: (
            shutil.copy(s.file("2*.html"), s.reports / "20200101T000000Z_AAAAAAAAAAAAAAAA_IN_STEP.HTML") and None
        ),
        "report of a period edited": lambda s: s.text(s.file("syncd_*.csv"), lambda text: text.replace("corp", "crop")),
        "report of a period deleted": lambda s: s.file("syncd_*.csv").unlink(),
        "report of a period put beside it": lambda s: (
            shutil.copy(s.file("syncd_*.csv"), s.reports / "syncd_2020-01-01_2020-01-31.csv") and None
        ),
    }


def swap(one: Path, other: Path) -> None:
    """Each has what the other had."""
    first, second = one.read_bytes(), other.read_bytes()
    assert first != second
    one.write_bytes(second)
    other.write_bytes(first)


# --------------------------------------------------------------------------------------------------------- the export


def exports() -> dict[str, Callable[[Scene], None]]:
    """The file an auditor was handed."""

    def file(change: Callable[[list[str]], list[str]]) -> Callable[[Scene], None]:
        return lambda s: s.lines(s.export, change)

    def personal_gone(fields: dict[str, Any]) -> None:
        del fields["personal"], fields["personal_salt"]

    return {
        "exported word edited": lambda s: s.text(s.export, lambda text: text.replace("Ann Lee", "Bob Lee", 1)),
        "exported time": lambda s: s.exported("approval", lambda one: one.update(at=earlier(one["at"], days=1))),
        "exported hash": lambda s: s.exported("approval", lambda one: one.update(hash="0" * 64)),
        "exported number as text": lambda s: s.exported("approval", lambda one: one.update(seq=str(one["seq"]))),
        "exported term": lambda s: s.exported("cycle.ended", lambda one: one.update(term=one["term"] + 1)),
        "exported key more": lambda s: s.exported("approval", lambda one: one.update(note="reviewed")),
        "exported key twice": lambda s: s.text(s.export, lambda text: text.replace('{"at":', '{"at":"x","at":', 1)),
        "exported blank": lambda s: s.text(s.export, lambda text: text.replace('"seq":3,', '"seq": 3,', 1)),
        "exported name": lambda s: s.exported("intent", lambda one: one["personal"].update(email="zoe@corp.example")),
        "exported name emptied": lambda s: s.exported("intent", personal_gone),
        "exported salt": lambda s: s.exported("intent", lambda one: one.update(personal_salt="00")),
        "exported line taken away": file(lambda lines: [*lines[:7], *lines[8:]]),
        "first exported line taken away": file(lambda lines: lines[1:]),
        "last exported lines taken away": file(lambda lines: lines[:-2]),
        "exported lines swapped": file(lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]]),
        "exported line twice": file(lambda lines: [*lines[:7], lines[6], *lines[7:]]),
        "exported lines all gone": file(lambda _: []),
        "line that is none at the end": file(lambda lines: [*lines, "{}\n"]),
        "empty line between": file(lambda lines: [*lines[:7], "\n", *lines[7:]]),
    }


#: Where to look, and every tampering by its name: in the ledger with its folder, or in the export with a folder.
IN_THE_LEDGER = {
    **edits(),
    **times(),
    **deletions(),
    **moves(),
    **forgeries(),
    **made_up(),
    **names(),
    **database(),
    **lists(),
    **reports(),
}
IN_THE_EXPORT = exports()
