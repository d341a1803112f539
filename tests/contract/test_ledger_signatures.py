"""Signed heads: every tampering of a ledger that a chain alone cannot show, on every kind of database, and in an export.

Each story is told twice: what a check without the key sees, and what one with the public key sees.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from syncd.errors import ConfigError, LedgerError, NotLeader, UsageError
from syncd.host.signing import PublicKeys, SigningKey
from syncd.ledger import record
from syncd.ledger.audit import PublishedHeads, SignedHeads, head_message
from syncd.ledger.chain import Fault, Verification, audit, verify_export
from syncd.ledger.entries import CycleEnded
from syncd.ledger.recorded_files import RecordedFiles
from syncd.ledger.storage.copying import copy_ledger
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft, Head, LedgerEntry, canonical_json
from tests.ledgers import HandClock, untold, url_of
from tests.tampering import edited, entries_of, replaced, rewritten, tamper

KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "sqlite": lambda _, directory: url_of(directory / "ledger.db"),
    "postgresql": lambda request, _: request.getfixturevalue("postgres_server").database(),
}

#: Entries of one cycle, and where its parts are: read, intent, outcome, end, signature.
CYCLE = 5


class Signer:
    """A key as files: the private half syncd signs with, the public half auditors get."""

    def __init__(self, folder: Path, name: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.public = folder / f"{name}.pub.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.key = SigningKey(lambda: pem)

    def draft(self, cycle: str) -> Callable[[Head], Draft]:
        return lambda head: record.head_signed(cycle, head, *self.key.sign(head_message(head)))


@pytest.fixture
def ours(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Signer:
    """Another key: a forger's, or the next one."""
    return Signer(tmp_path, "theirs")


def a_cycle(name: str) -> list[Draft]:
    """What a cycle that deactivates somebody writes, in short."""
    now = HandClock().now()
    return [
        Draft("noted.read", {"counts": {"keep": 9, "deactivate": 1}, "accounts": 10}, cycle=name),
        Draft("noted.intent", {"id": "i" + name, "action": "deactivate"}, "z1", name),
        Draft("noted.outcome", {"intent": "i" + name, "outcome": "done"}, "z1", name),
        record.cycle_ended(name, CycleEnded("enforce", "schedule", "applied", True, now, now, "0.1.0", "policy", {})),
    ]


@asynccontextmanager
async def opened(url: str, *, create: bool = True) -> AsyncIterator[SqlLedger]:
    """A ledger as a process opens it, closed at the end."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=create)
    try:
        yield ledger
    finally:
        await ledger.close()


async def fill(url: str, signer: Signer | None, *cycles: str) -> None:
    """Appends cycles, each signed at its end."""
    async with opened(url) as ledger, ledger.writer(0) as term:
        for cycle in cycles:
            await ledger.append(a_cycle(cycle), term=term)
            if signer is not None:
                await ledger.seal(signer.draft(cycle), term=term)


@pytest.fixture(params=KINDS)
async def url(request: pytest.FixtureRequest, tmp_path: Path, ours: Signer) -> str:
    """A ledger of three signed cycles."""
    made = KINDS[request.param](request, tmp_path)
    await fill(made, ours, "c1", "c2", "c3")
    return made


async def checked(url: str, *keys: Path, head: str = "") -> Verification:
    """``ledger verify`` of a process that has never seen this ledger, with the public keys of these files."""
    async with opened(url, create=False) as ledger:
        return await ledger.verify(head, [SignedHeads(PublicKeys.in_file(keys[0]).fits if keys else None)])


def seen(found: Verification) -> tuple[int, Fault] | None:
    """The first bad entry and what is wrong with it."""
    return None if found.problem is None else (found.problem.seq, found.problem.fault)


# ------------------------------------------------------------------------------------------------------------- signing


async def test_a_signed_ledger_verifies_with_the_public_key_alone(url: str, ours: Signer) -> None:
    """Each signature covers the very head before it, and so everything before that."""
    check = SignedHeads(PublicKeys.in_file(ours.public).fits)
    async with opened(url, create=False) as ledger:
        found = await ledger.verify(checks=[check])

    assert (True, 3 * CYCLE) == (found.ok, found.entries)
    assert (3, 3 * CYCLE - 1) == (check.count, check.last.seq)


async def test_a_copy_and_an_export_carry_the_signatures(url: str, ours: Signer, tmp_path: Path) -> None:
    """To another database, and to a file that needs none."""
    copied = url_of(tmp_path / "copy.db")
    copy_ledger(url, copied)
    async with opened(copied, create=False) as ledger:
        lines = [line async for line in ledger.export()]

    assert (await checked(copied, ours.public)).ok
    check = SignedHeads(PublicKeys.in_file(ours.public).fits)
    assert verify_export(lines, checks=[check]).ok
    assert 3 == check.count
    forged = [line.replace('"cycle":"c2"', '"cycle":"c9"') for line in lines]
    assert (CYCLE + 1, Fault.EDITED) == seen(verify_export(forged, checks=[check]))


async def test_a_head_that_is_a_signature_is_not_signed_again(url: str, ours: Signer) -> None:
    """Nothing happened since; and an empty ledger has no head."""
    async with opened(url) as ledger:
        before = await ledger.head()
        async with ledger.writer(0) as term:
            assert await ledger.seal(ours.draft("c4"), term=term) is None
        assert before == await ledger.head()


async def test_sealing_is_a_write_like_any_other(url: str, ours: Signer) -> None:
    """An older term is refused, and a failing key leaves nothing behind."""
    async with opened(url) as ledger:
        await ledger.append([Draft("pause", {"by": "Ann", "because": "x"})])
        before = await ledger.head()

        def no_key(_: Head) -> Draft:
            raise ConfigError("reports.signing_key: gone")

        async with ledger.writer(0) as term:
            with pytest.raises(NotLeader):
                await ledger.seal(ours.draft("c4"), term=term - 1)
            with pytest.raises(ConfigError):
                await ledger.seal(no_key, term=term)
        assert before == await ledger.head()


async def test_what_people_append_after_the_last_cycle_waits_for_the_next_signature(url: str, ours: Signer) -> None:
    """An approval or a pause is no fault; a cycle that ended and was not signed is."""
    async with opened(url) as ledger:
        await ledger.append([Draft("pause", {"by": "Ann", "because": "x"})])
        assert (await checked(url, ours.public)).ok

        await ledger.append(a_cycle("c4"), term=99)

    assert (3 * CYCLE + 5, Fault.SIGNATURE) == seen(await checked(url, ours.public))
    assert (await checked(url)).ok
    await fill(url, ours, "c5")  # one signature covers all that came before
    assert (await checked(url, ours.public)).ok


# ---------------------------------------------------------------------------------------------------------- tampering


async def test_an_edited_byte_is_found(url: str, ours: Signer) -> None:
    """The entry is named, with and without the key."""
    tamper(url, "UPDATE chain SET body = replace(body, 'deactivate', 'reactivate') WHERE seq = 7")

    assert [(7, Fault.EDITED)] * 2 == [seen(await checked(url)), seen(await checked(url, ours.public))]


async def test_a_deleted_row_is_found(url: str, ours: Signer) -> None:
    """By the gap it leaves."""
    tamper(url, "DELETE FROM chain WHERE seq = 7")

    assert [(7, Fault.GAP)] * 2 == [seen(await checked(url)), seen(await checked(url, ours.public))]


async def test_a_tail_cut_within_a_cycle_is_found_by_the_missing_signature(url: str, ours: Signer) -> None:
    """The signature is gone, or the end of a cycle stands without one."""
    tamper(url, "DELETE FROM chain WHERE seq = 15")

    assert seen(await checked(url)) is None
    found = await checked(url, ours.public)
    assert (14, Fault.SIGNATURE) == seen(found)
    assert "entry 14 (the end of cycle c3)" in str(found.problem)


async def test_a_tail_cut_at_a_signature_is_found_by_a_head_kept_elsewhere_only(url: str, ours: Signer) -> None:
    """What a chain without an outside anchor does not prove, said by a test."""
    head = entries_of(url)[-1].hash
    tamper(url, "DELETE FROM chain WHERE seq > 10")

    assert (await checked(url, ours.public)).ok
    assert (11, Fault.CUT) == seen(await checked(url, ours.public, head=head))


async def test_a_chain_hashed_anew_is_found_without_the_key_where_its_signatures_stay_behind(url: str) -> None:
    """They name hashes that are no more."""
    replaced(url, rewritten(edited(entries_of(url), 3, "done", "none")))

    assert (5, Fault.SIGNATURE) == seen(await checked(url))


async def test_a_chain_hashed_anew_is_found_by_its_signatures(url: str, ours: Signer) -> None:
    """Although every hash is right again: this is what the signature is for."""
    replaced(url, rewritten(edited(entries_of(url), 3, "done", "none"), places=True))

    assert seen(await checked(url)) is None
    found = await checked(url, ours.public)
    assert (5, Fault.SIGNATURE) == seen(found)
    assert "entries up to 4 were rewritten" in str(found.problem)


async def test_everything_after_a_signed_head_replaced_is_found(url: str, ours: Signer) -> None:
    """The good beginning with its signature stays, the rest is told anew, without signatures."""
    entries = entries_of(url)
    replaced(
        url,
        rewritten([*entries[:5], *(entry for entry in edited(entries, 8, "done", "none")[5:] if entry.kind != "head.signed")]),
    )

    assert seen(await checked(url)) is None
    found = await checked(url, ours.public)
    assert (9, Fault.SIGNATURE) == seen(found)
    assert "the last signed head is entry 4" in str(found.problem)


async def test_a_chain_signed_anew_with_another_key_is_found(url: str, ours: Signer, theirs: Signer) -> None:
    """The forger has a key, but not the one that auditors were given."""
    forged: list[LedgerEntry] = []
    for entry in edited(entries_of(url), 3, "done", "none"):
        forged = rewritten([*forged, entry])
        if entry.kind == "head.signed":
            draft = theirs.draft(entry.cycle)(Head(forged[-2].seq, forged[-2].hash))
            forged = rewritten([*forged[:-1], _as_entry(draft, entry)])
    replaced(url, forged)

    assert (await checked(url, theirs.public)).ok
    found = await checked(url, ours.public)
    assert (1, Fault.SIGNATURE) == seen(found)
    assert f"entry 5 is signed with the key {theirs.key.id()}, which was not given" in str(found.problem)


async def test_a_signature_of_another_head_does_not_fit(url: str, ours: Signer) -> None:
    """An old one, moved to a new place."""
    entries = entries_of(url)
    stolen = edited(entries, 15, _signature(entries[14]), _signature(entries[4]))
    replaced(url, rewritten(stolen))

    assert (15, Fault.SIGNATURE) == seen(await checked(url, ours.public))


@pytest.mark.parametrize("signature", ["", "no base64 !", "AAAA"])
async def test_a_signature_that_is_none_does_not_fit(url: str, ours: Signer, signature: str) -> None:
    """It is a finding, not an error of the program."""
    entries = entries_of(url)
    replaced(url, rewritten(edited(entries, 15, _signature(entries[14]), signature)))

    assert (15, Fault.SIGNATURE) == seen(await checked(url, ours.public))


async def test_nothing_is_sealed_once_the_chain_was_found_broken(url: str, ours: Signer) -> None:
    """A signature would vouch for it."""
    tamper(url, "UPDATE chain SET body = '{}' WHERE seq = 7")
    async with opened(url) as ledger:
        await ledger.history()

        with pytest.raises(LedgerError):
            await ledger.seal(ours.draft("c4"), term=99)


# --------------------------------------------------------------------------------------------------------------- keys


async def test_a_changed_key_is_checked_with_both_public_keys(url: str, ours: Signer, theirs: Signer, tmp_path: Path) -> None:
    """The new one alone will do, since its signatures cover what came before; the old one alone will not."""
    await fill(url, theirs, "c4")
    both = tmp_path / "both.pem"
    both.write_bytes(ours.public.read_bytes() + b"\n" + theirs.public.read_bytes())

    assert (await checked(url, both)).ok
    assert (await checked(url, theirs.public)).ok
    found = await checked(url, ours.public)
    assert (19, Fault.SIGNATURE) == seen(found)
    assert theirs.key.id() in str(found.problem)


async def test_a_ledger_without_signatures_does_not_pass_for_a_signed_one(tmp_path: Path, ours: Signer) -> None:
    """Whoever gives a key wants to see its signatures."""
    url = url_of(tmp_path / "plain.db")
    await fill(url, None, "c1")

    found = await checked(url, ours.public)

    assert (1, Fault.SIGNATURE) == seen(found)
    assert "no head is signed with a key that was given" in str(found.problem)


def test_an_empty_export_does_not_pass_for_a_signed_one(ours: Signer) -> None:
    """A chain that was cut off whole has nothing in it that could be wrong."""
    found = verify_export([], "", [SignedHeads(PublicKeys.in_file(ours.public).fits)])

    assert (1, Fault.SIGNATURE) == seen(found)


def test_openssl_makes_our_keys_and_checks_our_signatures(tmp_path: Path) -> None:
    """An auditor needs no program of ours for it."""
    private, public, signature, message = (tmp_path / name for name in ("k.pem", "k.pub", "sig", "head"))
    _openssl("genpkey", "-algorithm", "ed25519", "-out", str(private))
    _openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    key = SigningKey(lambda: private.read_text())
    head = Head(41, "ab" * 32)

    name, signed = key.sign(head_message(head))

    assert key.id() == name
    assert [name] == list(PublicKeys.in_file(public).keys)
    signature.write_bytes(base64.b64decode(signed))
    message.write_text(f"syncd.head/1\n41\n{'ab' * 32}\n")
    assert "Verified Successfully" in _openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(message), "-sigfile", str(signature)
    )


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (("genpkey", "-algorithm", "x25519"), "of another kind than Ed25519"),
        (("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x"), "protected by a password"),
        (("rand", "-hex", "32"), "no private key in PEM"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_with_the_way_to_make_one(kind: tuple[str, ...], says: str) -> None:
    """And nothing of it is repeated."""
    content = _openssl(*kind)

    with pytest.raises(ConfigError, match=says) as raised:
        SigningKey(lambda: content).id()

    assert "openssl genpkey -algorithm ed25519" in str(raised.value)
    assert content.splitlines()[-1][:10] not in str(raised.value)


def test_a_public_key_file_is_judged_before_anything_is_read(tmp_path: Path, ours: Signer) -> None:
    """Missing, no key, and the private half, which nobody should hand out."""
    private = tmp_path / "private.pem"
    private.write_text(_openssl("genpkey", "-algorithm", "ed25519"))
    empty = tmp_path / "empty.pem"
    empty.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")

    for path, says in (
        (tmp_path / "none.pem", "cannot be read"),
        (empty, "holds no Ed25519 public key"),
        (private, "holds a private key"),
    ):
        with pytest.raises(UsageError, match=says):
            PublicKeys.in_file(path)


# -------------------------------------------------------------------------------------------------------- other checks


async def test_published_heads_and_recorded_files_are_followed_in_the_same_pass(url: str) -> None:
    """Which heads are lost; which files were written, and which were removed when their time was over."""
    async with opened(url) as ledger:
        entries = entries_of(url)
        await ledger.append(
            [
                record.opened("led1", "acc", "file:x"),
                record.reported("c1", "a.json", "aa"),
                record.reported("c2", "b.json", "bb"),
                record.report_removed("c3", ["a.json", "never.json"], HandClock().now()),
            ]
        )
        heads = PublishedHeads.of([Head(4, entries[3].hash), Head(9, "f" * 64), Head(99, "e" * 64)])
        files = RecordedFiles()

        for _ in range(2):  # a pass may have to be done again
            await ledger.verify(checks=[heads, files])
            assert [Head(9, "f" * 64), Head(99, "e" * 64)] == heads.lost
            assert ("led1", {"b.json": "bb"}, {"a.json": "aa"}) == (
                files.ledger_id,
                {name: one.sha256 for name, one in files.kept.items()},
                {name: one.sha256 for name, one in files.removed.items()},
            )


@pytest.mark.parametrize(("folder", "owed"), [("/reports", ["c1", "c2"]), (None, [])])
def test_the_first_cycle_of_a_ledger_must_have_a_line_too(folder: str | None, owed: list[str]) -> None:
    """What is in force is said after its end, so that alone says whether it was filed."""
    now = HandClock().now()
    ended = CycleEnded("enforce", "schedule", "applied", True, now, now, "0.1.0", "policy", {})
    drafts = [
        record.cycle_ended("c1", ended),
        record.in_force("c1", {"reports.directory": folder}, now),
        record.cycle_ended("c2", ended),
    ]
    files = RecordedFiles()

    audit(rewritten([_as_entry(one, None) for one in drafts]), checks=[files])

    assert owed == list(files.owed)


def test_an_audit_tells_witnesses_only_what_is_good() -> None:
    """An edited entry never reaches them."""
    files = RecordedFiles()
    good = rewritten([_as_entry(record.reported("c1", name, "aa"), None) for name in ("a.json", "b.json")])

    audit(edited(good, 2, "b.json", "c.json"), checks=[files])

    assert ["a.json"] == list(files.kept)


def _as_entry(draft: Draft, like: LedgerEntry | None) -> LedgerEntry:
    """A draft in the form ``rewritten`` takes."""
    at = like.at if like is not None else "2026-10-01T08:00:00.000000Z"
    return LedgerEntry(
        0,
        at,
        draft.cycle,
        like.term if like is not None else 1,
        draft.kind,
        draft.subject,
        canonical_json(dict(draft.body)),
        "",
        "",
    )


def _signature(entry: LedgerEntry) -> str:
    return str(json.loads(entry.body)["signature"])


def _openssl(*words: str) -> str:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout
