"""What the lab needs for handing content over: something to leave, who manages whom, and an app that may end users."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import structs

from syncd.lab.zoom.operations import ALL_SCOPES
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Meeting

#: The Zoom app that may delete users and nothing else, and its secret.
APP, SECRET, SCOPE = "lab-handover-client", "lab-handover-secret", "user:delete:user:admin"


def prepare(zoom: SimulatedZoom, now: datetime) -> None:
    """Everybody has two meetings to come and a recording; the usual app may not delete, the second one may nothing else."""
    for number, user in enumerate(zoom.tenant.users):
        id_ = 93_000_000_000 + 10 * number
        meetings = tuple(Meeting(id=id_ + day, topic="Review", start_time=now + timedelta(days=day)) for day in (2, 9))
        kept = Meeting(id=id_, topic="Handbook", start_time=now - timedelta(days=20), bytes=2_400_000)
        zoom.tenant.put(structs.replace(user, meetings=meetings, recordings=(kept,)))
    zoom.oauth.more_apps[APP] = (SECRET, frozenset({SCOPE}))
    zoom.oauth.scopes = ALL_SCOPES - {SCOPE, "user:delete:user"}


def with_managers(people_csv: str) -> str:
    """The file directory with a column ``manager``: of each department the one who was there first, who has none."""
    rows = list(csv.DictReader(io.StringIO(people_csv)))
    first = {row["department"]: row["id"] for row in reversed(rows)}
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0], "manager"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**row, "manager": first[row["department"]] if first[row["department"]] != row["id"] else ""} for row in rows
    )
    return out.getvalue()


def write_section(folder: Path) -> None:
    """``handover.yaml``: the section to append to the configuration, with its files."""
    secret = folder / "handover-secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    (folder / "left-for-good.csv").write_text("address\n", encoding="utf-8")
    (folder / "handover.yaml").write_text(
        f"""\
# What becomes of a leaver's meetings and recordings; in production after: 90d.
handover:
  after: 1s
  end: delete
  receiver: {{from: manager}}
  leavers_file: {json.dumps(str(folder / "left-for-good.csv"))}
  client_id: {APP}
  client_secret_file: {json.dumps(str(secret))}
""",
        encoding="utf-8",
    )
