"""Which public keys an auditor trusts, and for which days."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.errors import UsageError
from syncd.host.signing import PublicKeys, key_id
from syncd.model import Head
from syncd.reports.manifest import faults_of, read_manifest, write_manifest
from tests.ledgers import HandClock

KEY = Ed25519PrivateKey.generate()
ID = key_id(KEY.public_key())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def keys(folder: Path, before: str) -> PublicKeys:
    file = folder / "public.pem"
    file.write_bytes((before + PEM).encode())
    return PublicKeys.in_file(file)


@pytest.mark.parametrize(
    "before",
    [
        "valid-after: 2026-01-01\nvalid-before: 2027-01-01\n",
        "# Valid-After: 2026-01-01\r\n# Valid-Before: 2027-01-01\r\n",
        "\ufeffvalid-after: 2026-01-01\n  VALID-BEFORE : 2027-01-01\n",
        "valid_after=2026-01-01\nvalid before: 2027-01-01\n",
    ],
)
def test_the_days_of_a_key_count_however_they_are_spelt(tmp_path: Path, before: str):
    """Taken for remarks, the key would be in use for ever."""
    found = keys(tmp_path, before)

    times = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"]
    assert [False, True, True, False] == [found.valid(ID, at) for at in times]


@pytest.mark.parametrize("before", ["valid-until: 2027-01-01\n", "valid-before: 1.1.2027\n", "# valid-from: 2026-01-01\n"])
def test_days_that_cannot_be_understood_are_refused(tmp_path: Path, before: str):
    """Nobody wants them passed over."""
    with pytest.raises(UsageError, match="valid-"):
        keys(tmp_path, before)


@pytest.mark.parametrize(
    ("days", "head_at", "fault"),
    [
        ("", "2026-10-01T08:00:00.000000Z", False),
        ("valid-before: 2026-10-02\n", "2026-10-01T08:00:00.000000Z", False),
        ("valid-before: 2026-10-01\n", "2026-09-30T08:00:00.000000Z", True),
        ("valid-after: 2026-10-02\n", "2026-10-01T08:00:00.000000Z", True),
        ("valid-before: 2026-11-01\n", "2026-12-01T08:00:00.000000Z", True),  # an old key in other hands signs any time
    ],
)
def test_a_manifest_counts_when_its_key_was_in_use(tmp_path: Path, days: str, head_at: str, fault: bool):
    """By its own time, and by the ledger's of the head it names."""
    now = HandClock().now()
    write_manifest(tmp_path, "ledger", Head(1, "0" * 64), [], now, lambda text: (ID, base64.b64encode(KEY.sign(text)).decode()))
    manifest = read_manifest(tmp_path)
    assert manifest is not None

    found = faults_of(tmp_path, manifest, {}, keys(tmp_path, days), head_at)

    assert fault == any("was not in use then" in one for one in found), found
