"""The ways from here to what syncd asks over the network: directly or through a proxy, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from syncd.host.reach import obstacle

if TYPE_CHECKING:
    from syncd.config import Config


class Route(NamedTuple):
    """*subject*: what is asked (directory, zoom). *proxy*: its URL where one is in the way."""

    subject: str
    host: str
    port: int
    proxy: str | None = None


def routes(config: Config, kind: str) -> Iterator[Route]:
    """Of everything that is asked over the network by a directory of *kind* and Zoom."""
    from syncd.directories.entra.settings import CLOUDS as ENTRA
    from syncd.http.trust import proxy_from_environment
    from syncd.zoom.token import CLOUDS as ZOOM

    urls: list[tuple[str, str]] = []
    if kind == "active_directory" and config.directory.active_directory is not None:
        for server in config.directory.active_directory.servers:
            split = urlsplit(server)
            yield Route("directory", split.hostname or "", split.port or (636 if split.scheme == "ldaps" else 389))
    if kind == "entra" and config.directory.entra is not None:
        entra = config.directory.entra
        cloud = ENTRA[entra.cloud]
        urls += [("directory", str(entra.authority_url or cloud.authority)), ("directory", str(entra.graph_url or cloud.graph))]
    zoom = ZOOM[config.zoom.cloud]
    urls += [("zoom", str(config.zoom.token_url or zoom.token_url)), ("zoom", str(config.zoom.api_url or zoom.api_url))]
    for subject, url in urls:
        split = urlsplit(url)
        proxy = config.proxy or proxy_from_environment(url)
        yield Route(subject, split.hostname or "", split.port or (443 if split.scheme == "https" else 80), proxy)


async def looked_at(route: Route) -> tuple[bool, str]:
    """Whether the first station of the way can be reached, and that in words; never a proxy's user or password."""
    if route.proxy is None:
        trouble = await obstacle(route.host, route.port)
        return not trouble, trouble or f"{route.host}:{route.port} can be reached directly"
    via = urlsplit(route.proxy)
    where = f"{via.hostname}:{via.port or 80}"
    if trouble := await obstacle(via.hostname or "", via.port or 80):
        return False, f"the proxy in the way: {trouble}; it is named in proxy or $HTTPS_PROXY (see $NO_PROXY)"
    return True, f"{route.host}:{route.port} is asked through the proxy {where}, which can be reached"
