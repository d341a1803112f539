"""The docs as a site (`make docs`): whole by itself, readable from a file, with nothing that was meant otherwise."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Seen(HTMLParser):
    """What a page loads and links to, the names of its places, and its text outside of code."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.text = ""
        self._code = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._code += tag in ("code", "script")
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if "src" in given:
            self.loads.append(given["src"])
        if "href" in given:
            (self.loads if tag == "link" and given.get("rel") != "canonical" else self.links).append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "script")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Seen]:
    """Every page of the site, as `make docs` makes it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (built.returncode, built.stdout), built.stdout + built.stderr
    return {path: Seen(path) for path in sorted(folder.rglob("*.html")) if path.name != "404.html"}


def test_nothing_is_fetched_from_elsewhere(site: dict[Path, Seen]) -> None:
    """Pages, styles, scripts and pictures lie in the site, and are found without a server."""
    assert len(site) > len(list(DOCS.rglob("*.md")))
    for path, seen in site.items():
        for load in seen.loads:
            assert (path.parent / load.partition("?")[0]).is_file(), (path.name, load)


def test_every_link_leads_to_a_page_of_the_site_and_a_place_on_it(site: dict[Path, Seen]) -> None:
    """Files of the repository that a page links to are part of it."""
    for path, seen in site.items():
        for link in seen.links:
            if re.match(r"[a-z]+:", link) or link == "#":
                continue
            target, place = urldefrag(unquote(link))
            there = (path.parent / target).resolve() if target else path
            assert there in site or (there.is_file() and there.suffix != ".html"), (path.name, link)
            assert not place or place in site[there].places, (path.name, link)


def test_no_markup_is_left_in_the_text(site: dict[Path, Seen]) -> None:
    """Lists, tables and blocks within lists are indented as the site's maker wants it."""
    left = re.compile(r"```|\|\s*-{3,}|\]\(|^\s*\* |\*\*", re.MULTILINE)
    assert {} == {path.name: found[0] for path, seen in site.items() if (found := left.search(seen.text))}
    sources = [*DOCS.rglob("*.md"), *(ROOT / "deploy").rglob("*.md"), ROOT / "CHANGELOG.md"]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?m)^ +```", text), f"{path.name}: a block within a list; end the list before it"
        flattened = re.search(r"(?m)^ {1,3}(\*|\d+\.) .*", re.sub(r"(?ms)^```.*?^```$", "", text))
        assert not flattened, f"{path.name}: a list within a list wants four blanks: {flattened}"


def test_the_contents_name_every_page() -> None:
    """In the order in which they are read; a new page gets its line in mkdocs.yml, and one in docs/index.md."""

    def pages(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        return [page for one in (node.values() if isinstance(node, dict) else node) for page in pages(one)]  # type: ignore[attr-defined]

    named = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    there = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    assert there == sorted(named)
    assert [] == [page for page in there if page != "index.md" and f"]({page})" not in index]
