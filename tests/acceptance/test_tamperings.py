"""Every tampering of ``tests.tamperings`` is found by ``ledger verify`` with the public key alone: 6, and a word about it."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from syncd.model import LedgerEntry, canonical_json
from tests.acceptance.company import WHO, Company, Ran
from tests.acceptance.conftest import corp_example
from tests.acceptance.prefork import Prefork
from tests.tamperings import IN_THE_EXPORT, IN_THE_LEDGER, Scene


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, prefork: Prefork) -> Iterator[Company]:
    """A signed year in short: people who left, a hold, a pause, an approval, blanked names, a review, the report of a period."""
    with corp_example(tmp_path_factory.mktemp("evidence"), prefork) as company:
        company.sign()
        company.staff(60)
        company.enforcing()
        company.leaves("p000")
        assert 0 == company.syncd("apply").code
        time.sleep(1.1)
        company.configure({"ledger.keep_personal": "1s"})  # the first leaver is forgotten
        assert 0 == company.syncd("apply").code
        company.configure({"ledger.keep_personal": "400d", "guards.max_deactivations": 1})
        assert 0 == company.syncd("pause", *WHO).code
        assert 0 == company.syncd("resume", *WHO).code
        assert 0 == company.syncd("account", "hold", "p009@corp.example", *WHO).code
        for name in ("MANIFEST", "cycles.jsonl"):
            shutil.copy(company.reports / name, company.folder / f"{name.partition('.')[0]}.older")
        company.leaves("p001", "p002")
        assert 3 == company.syncd("apply").code
        company.approve_what_is_held()
        applied = company.syncd("apply", "--format", "json")
        assert 0 == applied.code
        day = time.strftime("%Y-%m-%d", time.gmtime())
        assert (
            0
            == company.syncd("report", "--from", day, "--to", day, "--out", str(company.reports / f"syncd_{day}_{day}.csv")).code
        )
        assert 0 == company.syncd("review", applied.document["cycle_id"], "--by", WHO[1]).code
        assert 0 == company.syncd("apply").code
        assert 0 == company.syncd("ledger", "export", "--out", str(company.folder / "ledger.jsonl")).code
        yield company


@pytest.fixture
def scene(evidence: Company, tmp_path: Path) -> Scene:
    """A copy of the evidence, with a configuration of its own."""
    for name in ("state", "reports"):
        shutil.copytree(evidence.folder / name, tmp_path / name)
    for name in ("ledger.jsonl", "public.pem", "MANIFEST.older", "cycles.older"):
        shutil.copy(evidence.folder / name, tmp_path)
    made = Scene(tmp_path)
    settings = yaml.safe_load(evidence.config.read_text(encoding="utf-8"))
    settings["ledger"]["url"], settings["reports"]["directory"] = made.url, str(made.reports)
    (tmp_path / "syncd.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def of_ledger(company: Company, scene: Scene) -> Ran:
    return company.syncd(
        "ledger",
        "verify",
        "--config",
        str(scene.folder / "syncd.yaml"),
        "--public-key",
        str(scene.folder / "public.pem"),
        config=False,
    )


def of_export(company: Company, scene: Scene) -> Ran:
    return company.syncd(
        "ledger",
        "verify",
        "--export",
        str(scene.export),
        "--reports",
        str(scene.reports),
        "--public-key",
        str(scene.folder / "public.pem"),
        config=False,
    )


def test_what_nobody_touched_verifies(evidence: Company, scene: Scene) -> None:
    """The ledger with its folder, and the export; and there are as many tamperings as are promised."""
    for ran in (of_ledger(evidence, scene), of_export(evidence, scene)):
        assert 0 == ran.code, ran.out
        assert "the manifest agrees and its signature fits" in ran.out
    assert len(IN_THE_LEDGER) + len(IN_THE_EXPORT) >= 60


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["gone", "emptied"])
def test_a_head_that_is_gone_from_beside_the_ledger_is_told(
    evidence: Company, scene: Scene, spoil: Callable[[Path], object]
) -> None:
    """A copy and an older version have none either, so it is a note; the next entry writes it anew."""
    said = "note: no head is kept beside the ledger"
    assert said not in of_ledger(evidence, scene).out
    spoil(scene.ledger.with_name("ledger.db.head"))

    ran = of_ledger(evidence, scene)
    assert (0, True) == (ran.code, said in ran.out), ran.said

    assert 0 == evidence.syncd("pause", *WHO, "--config", str(scene.folder / "syncd.yaml"), config=False).code
    assert said not in of_ledger(evidence, scene).out


def test_half_a_line_of_a_full_disk_is_a_note(evidence: Company, scene: Scene) -> None:
    """The next cycle begins a line of its own, so that no other is lost with it."""
    with (scene.reports / "cycles.jsonl").open("a", encoding="utf-8") as listing:
        listing.write('{"cycle_id": "aaaaaaaa", "started_at": "2026-')
    for _ in range(2):
        ran = evidence.syncd("apply", "--config", str(scene.folder / "syncd.yaml"), config=False)
        assert 0 == ran.code, ran.said

    ran = of_ledger(evidence, scene)

    assert 0 == ran.code, ran.out
    assert "note: 1 lines of cycles.jsonl cannot be read" in ran.out
    assert "why they were not filed" not in ran.out


def test_a_line_that_says_in_vain_that_nobody_recorded_it_is_a_note(evidence: Company, scene: Scene) -> None:
    """An answer of the database may have been lost, so it is no fault; it says nothing that counts, and is told."""
    cycle = scene.of("cycle.ended").cycle
    with (scene.reports / "cycles.jsonl").open("r+", encoding="utf-8") as listing:
        line = json.loads(listing.readlines()[-1])
        listing.write(json.dumps({**line, "result": "failed", "problem": "the connection was lost"}) + "\n")

    ran = of_ledger(evidence, scene)

    assert (0, True) == (ran.code, f"and it did; what it says counts: {cycle}" in ran.out), ran.out


def test_what_was_listed_while_the_ledger_was_broken_is_a_note(evidence: Company, scene: Scene) -> None:
    """The line says so itself. Its files are named, for nothing vouches for them, until somebody moves them away."""
    outcome = scene.of("outcome")
    scene.body(outcome, lambda body: body.update(outcome="failed"))
    assert 6 == evidence.syncd("apply", "--config", str(scene.folder / "syncd.yaml"), config=False).code
    scene.set(outcome, "body", "'" + outcome.body.replace("'", "''") + "'")

    ran = of_ledger(evidence, scene)
    assert 6 == ran.code
    assert "note: 1 lines of cycles.jsonl say that the ledger could not record them" in ran.out
    assert "lines in" not in ran.out.replace("note: 1 lines", "")

    for path in scene.reports.glob("*_held.*"):
        if path.name in ran.out:
            path.unlink()
    assert 0 == of_ledger(evidence, scene).code


def lines_cut(number: int) -> Callable[[Company], None]:
    def cut(company: Company) -> None:
        listing = company.reports / "cycles.jsonl"
        listing.write_text("".join(listing.read_text(encoding="utf-8").splitlines(keepends=True)[:-number]), encoding="utf-8")

    return cut


def older(*names: str) -> Callable[[Company], None]:
    def put_back(company: Company) -> None:
        for name in names:
            shutil.copy(company.folder / f"{name}.then", company.reports / name)

    return put_back


def gone(*names: str) -> Callable[[Company], None]:
    def take_away(company: Company) -> None:
        for name in names:
            (company.reports / name).unlink()

    return take_away


THINNED: dict[str, Callable[[Company], None]] = {
    "one line": lines_cut(1),
    "two lines": lines_cut(2),
    "three lines": lines_cut(3),
    "list of then": older("cycles.jsonl"),
    "list and manifest of then": older("cycles.jsonl", "MANIFEST"),
    "list": gone("cycles.jsonl"),
    "list and manifest": gone("cycles.jsonl", "MANIFEST"),
}


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("by", ["apply", "run"])
def test_what_was_thinned_stays_found_after_the_next_cycle(company: Company, by: str, signed: bool) -> None:
    """Lines of processes that came to their orderly end, each of one cycle or a daemon that was stopped: whoever takes them out
    is not excused by the next process, which cannot know what was there but by the ledger."""
    key = ("--public-key", str(company.folder / "public.pem")) if signed else ()

    def cycles(number: int) -> None:
        if by == "apply":
            assert {0} == {company.syncd("apply").code for _ in range(number)}
        else:
            with company.running() as daemon:
                daemon.wait_cycles(1)
                for _ in range(number - 1):
                    daemon.sync()
                assert 0 == daemon.terminate()[0]

    if signed:
        company.sign()
    company.staff(20)
    company.configure({"schedule": {"interval": "6h", "jitter": "0s"}})
    company.enforcing()
    for name in ("MANIFEST", "cycles.jsonl"):
        shutil.copy(company.reports / name, company.folder / f"{name}.then")
    company.leaves("p000")  # with a report of its own, and then without
    cycles(3)
    assert 0 == (ran := company.syncd("ledger", "verify", *key)).code, ran.out
    kept = company.folder / "kept"
    for name in ("state", "reports"):
        shutil.copytree(company.folder / name, kept / name)

    for what in THINNED if by == "apply" else ("one line", "list and manifest of then", "list and manifest"):
        for name in ("state", "reports"):
            shutil.rmtree(company.folder / name)
            shutil.copytree(kept / name, company.folder / name)
        THINNED[what](company)
        before = company.syncd("ledger", "verify", *key)
        cycles(1)
        after = company.syncd("ledger", "verify", *key)
        assert (6, 6) == (before.code, after.code), f"{what}: {before.out}{after.out}"
        assert "that ended are not listed" in after.out, what


@pytest.mark.parametrize("name", IN_THE_LEDGER)
def test_a_tampering_is_found(evidence: Company, scene: Scene, name: str) -> None:
    IN_THE_LEDGER[name](scene)

    ran = of_ledger(evidence, scene)

    assert 6 == ran.code, f"{name}: {ran.said}"
    assert "NOT INTACT: " in ran.out or "syncd: " in ran.err


@pytest.mark.parametrize("name", IN_THE_EXPORT)
def test_a_tampering_of_an_export_is_found(evidence: Company, scene: Scene, name: str) -> None:
    IN_THE_EXPORT[name](scene)

    ran = of_export(evidence, scene)

    assert 6 == ran.code, f"{name}: {ran.said}"
    assert "NOT INTACT: " in ran.out


@pytest.mark.parametrize("seed", range(8))
def test_any_change_of_any_signed_entry_is_found(evidence: Company, scene: Scene, seed: int) -> None:
    """A row taken out, two swapped, one doubled, or one letter of one column: whatever luck draws, with the hashes as they were
    or every one computed anew."""
    luck = random.Random(seed)
    signed = scene.of("head.signed").seq

    def changed(entries: list[LedgerEntry]) -> list[LedgerEntry]:
        at = luck.randrange(signed - 1)
        one, way = entries[at], luck.randrange(4)
        if way == 0:
            return [*entries[:at], *entries[at + 1 :]]
        if way == 1:
            return [*entries[:at], entries[at + 1], one, *entries[at + 2 :]]
        if way == 2:
            return [*entries[: at + 1], one, *entries[at + 1 :]]
        body = json.loads(one.body)
        key = luck.choice(sorted(body))
        body[key] = [body[key], "x"]
        return [*entries[:at], replace(one, body=canonical_json(body)), *entries[at + 1 :]]

    scene.forge(changed) if luck.random() < 0.5 else scene.put(numbered(changed(scene.entries())))

    ran = of_ledger(evidence, scene)

    assert 6 == ran.code, ran.said
    assert "NOT INTACT: " in ran.out or "syncd: " in ran.err


def numbered(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """Without a gap: the database takes no number twice."""
    return [replace(one, seq=seq) for seq, one in enumerate(entries, 1)]
