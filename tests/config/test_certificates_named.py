"""Which certificates of a configuration an alert looks after."""

from __future__ import annotations

from pathlib import Path

import trustme

from syncd.app import certificates_of
from syncd.config import load


def test_authorities_and_the_ledgers_certificates_are_found(tmp_path: Path) -> None:
    """Each under the word of the metric; the system's trust is nobody's file."""
    for name in ("zoom-ca.pem", "ad-ca.pem"):
        trustme.CA().cert_pem.write_to_path(tmp_path / name)
    for name, says in (
        ("secret", "x"),
        ("ledger-url", "postgresql://u@db/x?sslmode=verify-full&sslrootcert=/pg/ca.pem&sslcert=/pg/me.pem"),
        ("people.csv", "id"),
    ):
        (tmp_path / name).write_text(says)
    (tmp_path / "syncd.yaml").write_text("""
mode: report
directory:
  active_directory:
    servers: [ldaps://dc.corp.example]
    ca_file: ad-ca.pem
    bind: {simple: {user: svc@corp.example, password_file: secret}}
    base_dn: DC=corp,DC=example
    groups: [Zoom Users]
zoom: {account_id: acc, client_id: client, client_secret_file: secret, ca_file: zoom-ca.pem}
scope: {domains: [corp.example]}
ledger: {url_file: ledger-url}
""")
    found = certificates_of(load(tmp_path / "syncd.yaml", {}))

    assert ({"zoom-ca.pem", "ad-ca.pem"}, [Path("/pg/me.pem"), Path("/pg/ca.pem")]) == (
        {path.name for path in found["ca"]},
        found["postgresql"],
    )

    (tmp_path / "ledger-url").write_text("postgresql://u@db/x?sslrootcert=system")
    assert [] == certificates_of(load(tmp_path / "syncd.yaml", {}))["postgresql"]
