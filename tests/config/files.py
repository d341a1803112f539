"""What the tests of the configuration share: the smallest file that is right, and writing one."""

from __future__ import annotations

from pathlib import Path

ENV = {"ZOOM_SECRET": "hunter2"}

SMALLEST = """\
mode: report
directory:
  file: {path: people.csv}
zoom: {account_id: abc, client_id: xyz, client_secret_env: ZOOM_SECRET}
scope: {domains: [corp.example]}
"""

#: The same with Active Directory, and with Entra, instead of a file.
WITH_AD = """\
mode: report
directory:
  active_directory:
    servers: [ldaps://dc1.corp.example]
    bind: {simple: {user: svc@corp.example, password_env: ZOOM_SECRET}}
    base_dn: DC=corp,DC=example
    groups: [Zoom Users]
zoom: {account_id: abc, client_id: xyz, client_secret_env: ZOOM_SECRET}
scope: {domains: [corp.example]}
"""

WITH_ENTRA = """\
mode: report
directory:
  entra:
    tenant_id: 00000000-0000-0000-0000-000000000000
    client_id: 00000000-0000-0000-0000-000000000000
    groups: [Zoom Users]
zoom: {account_id: abc, client_id: xyz, client_secret_env: ZOOM_SECRET}
scope: {domains: [corp.example]}
"""


def written(directory: Path, text: str = SMALLEST, more: str = "") -> Path:
    """A configuration file with this text."""
    path = directory / "syncd.yaml"
    path.write_text(text + more, encoding="utf-8")
    return path
