"""A fresh company for each test, with a simulated Zoom of its own in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.lab.server import serve_in_thread
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant
from tests.acceptance.company import SECRET, TRIGGER, Company, clean_environment
from tests.acceptance.prefork import Prefork


@pytest.fixture(scope="session")
def prefork() -> Iterator[Prefork]:
    """Starts one-shot verbs quickly."""
    started = Prefork(clean_environment())
    yield started
    started.close()


@pytest.fixture
def company(tmp_path: Path, prefork: Prefork) -> Iterator[Company]:
    """See ``corp_example``."""
    with corp_example(tmp_path, prefork) as made:
        yield made


@contextmanager
def corp_example(tmp_path: Path, prefork: Prefork) -> Iterator[Company]:
    """Corp Example with nobody in it: report mode, no grace, the file directory, ledger and reports below the folder."""
    zoom = SimulatedZoom(
        Tenant(),
        now=lambda: datetime.now(UTC),
        sleep=asyncio.sleep,
        limits=AccountLimits(None),
        oauth=OAuth(client_secret=SECRET),
    )
    with serve_in_thread(zoom) as serving:
        company = Company(tmp_path, zoom, serving, prefork)
        (tmp_path / "zoom-secret").write_text(SECRET + "\n", encoding="utf-8")
        (tmp_path / "trigger-token").write_text(TRIGGER + "\n", encoding="utf-8")
        company.configure(
            {
                "mode": "report",
                "directory.file": {"path": str(company.people), "groups": ["staff"]},
                "zoom": {
                    "account_id": zoom.oauth.account_id,
                    "client_id": zoom.oauth.client_id,
                    "client_secret_file": str(tmp_path / "zoom-secret"),
                    "token_url": f"{serving.url}/oauth/token",
                    "api_url": f"{serving.url}/v2",
                    "account_plan": "business",
                    "share": "100%",
                },
                "scope.domains": ["corp.example"],
                "deactivate": {"grace": "0s", "grace_reads": 1},
                "ledger.url": f"sqlite:///{company.ledger}",
                "reports.directory": str(company.reports),
                "http.trigger_token_file": str(tmp_path / "trigger-token"),
            }
        )
        company.save()
        yield company
