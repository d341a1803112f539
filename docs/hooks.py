"""What the site has beyond ``docs/``: every file of the repository that a page links to becomes a page, too.

So the site is whole wherever it is put, and no link leads out of it. Pages of text stay pages; files such as the example
configuration are shown as they are. Links are rewritten from where a page lies in the repository to where it lies in the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Where pages lie that come from elsewhere in the repository.
ELSEWHERE = "repository/"

#: As the theme writes it -> so that a screen reader can tell what it is.
_FOR_READERS = (
    ("<th>", '<th scope="col">'),
    ("<th ", '<th scope="col" '),
    ("<footer>", '<footer role="contentinfo">'),
    ('<div role="contentinfo">', "<div>"),
    (
        '<div class="rst-versions" role="note" aria-label="Versions">',
        '<div class="rst-versions" role="navigation" aria-label="Back and forth">',
    ),
)

_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what the pages link to, what that links to, and so on."""
    waiting = [_in_repository(file.src_uri) for file in files if file.is_documentation_page()]
    seen = set(waiting)
    while waiting:
        for target in _targets(waiting.pop()):
            if target in seen or target.startswith("docs/"):
                continue
            seen.add(target)
            files.append(File.generated(config, _in_site(target), content=_shown(target)))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  -- mkdocs passes both
    """Links as they are in the site."""
    source = _in_repository(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        there = posixpath.relpath(_in_site(_target(source, link[1])), posixpath.dirname(page.file.src_uri) or ".")
        return f"]({there}{link[2] or ''})"

    return _LINK.sub(moved, markdown) if source.endswith(".md") else markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001  -- mkdocs passes all three
    """Headings and landmarks for whoever has the page read to them: the theme leaves them out, or inside of one another."""
    for theirs, ours in _FOR_READERS:
        output = output.replace(theirs, ours)
    return output


def _targets(source: str) -> Iterator[str]:
    """What the page at *source* links to, from the repository's root."""
    for link in _LINK.finditer((ROOT / source).read_text(encoding="utf-8")):
        target = _target(source, link[1])
        if (ROOT / target).is_file():
            yield target


def _target(source: str, link: str) -> str:
    """A folder stands for its README."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    return f"{target}/README.md" if (ROOT / target).is_dir() else target


def _in_site(target: str) -> str:
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return ELSEWHERE + (target if target.endswith((".md", ".png", ".svg")) else f"{target}.md")


def _in_repository(source: str) -> str:
    if not source.startswith(ELSEWHERE):
        return f"docs/{source}"
    source = source.removeprefix(ELSEWHERE)
    return source if (ROOT / source).is_file() else source.removesuffix(".md")


def _shown(target: str) -> str:
    text = (ROOT / target).read_text(encoding="utf-8")
    return text if target.endswith(".md") else f"# {target}\n\n````\n{text}````\n"
