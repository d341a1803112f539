"""What a user of the mixin may set. Everything else follows from the state that syncd exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """*selector*: label matchers of one installation, or of many that one Prometheus watches. An installation is what shares
    namespace and job, and the labels *also_by*: ``cluster`` where one ruler judges several clusters, ``instance`` for single
    daemons on machines without namespaces. *expected*: whether the selector names exactly one installation, whose absence then
    rings from the first moment on; otherwise one that was seen within the last day is missed."""

    selector: str = 'job="syncd"'
    expected: bool = True
    runbook_base: str = "https://git.example/syncd/blob/main/deploy/runbooks"
    severities: Mapping[str, str] = field(default_factory=lambda: {one: one for one in ("critical", "warning", "info")})
    labels: Mapping[str, str] = field(default_factory=dict)
    also_by: tuple[str, ...] = ()
