"""``syncd demo``: every scene ends as it should."""

from __future__ import annotations

import pytest

from tests.acceptance.company import Company


@pytest.mark.parametrize("directory", ["file", "entra"])
def test_every_scene_of_the_demo_ends_as_it_should(company: Company, directory: str) -> None:
    """A morning, leavers, a return, a leaver within seconds, somebody else's change, a handover, half a directory held."""
    done = company.syncd("demo", "--directory", directory, "--folder", str(company.folder / "demo"), config=False)

    assert done.code == 0, done.said
    assert "was activated by helpdesk@corp.example, and not by syncd" in " ".join(done.out.split())
    assert "reactivated_by_others" in done.out
    said = " ".join(done.out.split())
    assert (directory == "file") == ("counted at the receiver: handed_over. Only" in said)
    assert (directory == "file") == ("s after the file was written, sent to Zoom after" in said)
    assert (directory == "file") == ("known as ours: confirmed by event" in said)
