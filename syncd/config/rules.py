"""Rules over several keys, and keys of features that come later.

They look at the file as written, not at the finished model: so they are judged, and reported, even when something else
in the file is wrong. A value that is wrong by itself is somebody else's problem and makes its rules silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cronsim import CronSimError

from syncd.config.directories import FEDERATED_TOKEN_VARIABLE, Directory
from syncd.config.document import Problem, Where
from syncd.config.models import Config
from syncd.config.places import Surroundings, ledger_url_fault
from syncd.config.problems import listed
from syncd.config.section import field_at
from syncd.config.values import Fault, duration, spelled
from syncd.config.windows import calendar_faults, promise_fault, windows_given
from syncd.model import domain_key
from syncd.planning.windows import LEAVING, Windows


class Given:
    """What the file says, looked up by path."""

    def __init__(self, values: Mapping[str, Any], around: Surroundings) -> None:
        self._values = values
        self.around = around

    def get(self, *where: str) -> Any:
        """The value as written, or None."""
        value: Any = self._values
        for key in where:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def names(self, *where: str) -> list[str]:
        """The texts of a list, whatever else stands in it."""
        value = self.get(*where)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def section(self, *where: str) -> Mapping[str, Any]:
        """The keys of a section (of the whole file without a path), none when it is not there."""
        value = self.get(*where)
        return value if isinstance(value, Mapping) else {}

    def duration(self, *where: str) -> timedelta | None:
        """A duration as written or its default; None when it is wrong."""
        value = self.get(*where)
        if value is None:
            info = field_at(Config, where)
            value = info.default if info else None
        try:
            return duration(value)
        except Fault:
            return None


def broken_rules(values: Mapping[str, Any], around: Surroundings, not_yet: frozenset[str]) -> Iterator[Problem]:
    """Every rule the file breaks."""
    given = Given(values, around)
    for rule in _RULES:
        yield from rule(given)
    for feature, uses in _FEATURES.items():
        if feature in not_yet:
            yield from uses(given)


# -------------------------------------------------------------------------------------------------------------- rules


def _one_directory(given: Given) -> Iterator[Problem]:
    yield from _exactly_one(
        given, ("directory",), tuple(Directory.model_fields), "keep one: a second directory needs an instance of its own"
    )


def _one_bind(given: Given) -> Iterator[Problem]:
    yield from _exactly_one(given, ("directory", "active_directory", "bind"), ("simple", "kerberos"), "keep one of the two")


def _exactly_one(given: Given, where: tuple[str, ...], choices: tuple[str, ...], do: str) -> Iterator[Problem]:
    if where[-1] not in given.section(*where[:-1]):
        return  # missing: said already
    section = given.get(*where) or {}
    if not isinstance(section, Mapping):
        return  # not a section: said already
    chosen = [key for key in choices if key in section]
    if len(chosen) > 1:
        yield Problem((*where, chosen[1]), f"{listed(chosen, 'and')} are configured, and there can be only one", do)
    elif not chosen:
        yield Problem(where, "names none", f"write {listed(choices, 'or')} under it")
    elif section[chosen[0]] is None:
        yield Problem((*where, chosen[0]), "has nothing under it", "indent its keys below this line")


def _encrypted_ldap(given: Given) -> Iterator[Problem]:
    where = ("directory", "active_directory")
    start_tls, plaintext = given.get(*where, "start_tls"), given.get(*where, "allow_plaintext")
    servers = given.get(*where, "servers")
    for place, server in enumerate(servers if isinstance(servers, list) else []):
        if not isinstance(server, str):
            continue
        if server.strip().startswith("ldap://") and start_tls is not True and plaintext is not True:
            yield Problem(
                (*where, "servers", place),
                "ldap:// would send the password unencrypted",
                "write ldaps://, or start_tls: true; allow_plaintext: true accepts it for a laboratory",
            )
        if server.strip().startswith("ldaps://") and start_tls is True:
            yield Problem(
                (*where, "servers", place),
                "ldaps:// is encrypted from the start and cannot start_tls",
                "remove start_tls, or write ldap:// here",
            )


#: Ports of the global catalog: it lacks attributes and the members of other domains' groups.
_GLOBAL_CATALOG = (3268, 3269)


def _no_global_catalog(given: Given) -> Iterator[Problem]:
    where = ("directory", "active_directory", "servers")
    servers = given.get(*where)
    for place, server in enumerate(servers if isinstance(servers, list) else []):
        try:
            port = urlsplit(server.strip()).port if isinstance(server, str) else None
        except ValueError:
            continue  # not a URL: said already
        if port in _GLOBAL_CATALOG:
            yield Problem(
                (*where, place),
                f"{port} is the global catalog, which lacks attributes and members: whoever it does "
                "not show would be taken for gone",
                "write ldaps://host without a port",
            )


def _patient_polls(given: Given) -> Iterator[Problem]:
    poll = given.get("schedule", "watch_poll")
    if poll is None or "entra" not in given.section("directory"):
        return
    try:
        if duration(poll) < timedelta(seconds=10):
            yield Problem(
                ("schedule", "watch_poll"),
                f"{poll} is too short for Entra, whose changes lag by more than that",
                "write 10s or more",
            )
    except Fault:
        return  # said already


def _enough_approvers(given: Given) -> Iterator[Problem]:
    names = given.names("approvals", "approvers")
    if given.get("approvals", "required") == 2 and len({name.strip() for name in names}) == 1:
        yield Problem(
            ("approvals", "approvers"), "names one person, and required asks for two", "name a second one, or write required: 1"
        )


def _content_has_a_receiver(given: Given) -> Iterator[Problem]:
    where = ("handover", "receiver")
    receiver = given.section(*where)
    if "from" in receiver and receiver["from"] is None and receiver.get("else") is None:
        yield Problem(where, "names nobody", "write from: manager, or else: an address")


def _retention_outlived_by_names(given: Given) -> Iterator[Problem]:
    if given.get("handover") is None:
        return
    after, keep = given.duration("handover", "after"), given.duration("ledger", "keep_personal")
    if after is not None and keep is not None and after >= keep:
        yield Problem(
            ("handover", "after"),
            f"{spelled(after)} is not shorter than ledger.keep_personal {spelled(keep)}: by "
            "then nobody would know whose account it was",
            "write a shorter one, or keep names longer",
        )


def _one_entra_credential(given: Given) -> Iterator[Problem]:
    where = ("directory", "entra")
    if not given.section(*where):
        return
    credential = {key: value for key, value in given.section(*where, "credential").items() if value is not None}
    kinds = {key.removesuffix("_file").removesuffix("_env") for key in credential}
    if len(kinds) > 1:
        yield Problem((*where, "credential"), f"{listed(sorted(kinds), 'and')} are given, there can be only one", "keep one")
    if not kinds and given.around.check_files and not given.around.env.get(FEDERATED_TOKEN_VARIABLE):
        yield Problem(
            (*where, "credential"),
            f"no credential is given and ${FEDERATED_TOKEN_VARIABLE} is not set",
            "write client_secret_file, certificate_file, federated_token_file or managed_identity under it",
        )
    if "managed_identity" not in kinds and given.get(*where, "client_id") is None:
        yield Problem((*where, "client_id"), "is required", "write the application's client id")


def _groups_apart(given: Given) -> Iterator[Problem]:
    for kind in Directory.model_fields:
        entitling = {name.strip().casefold() for name in given.names("directory", kind, "groups")}
        leavers = given.get("directory", kind, "leaver_groups")
        for place, name in enumerate(leavers if isinstance(leavers, list) else []):
            if isinstance(name, str) and name.strip().casefold() in entitling:
                yield Problem(
                    ("directory", kind, "leaver_groups", place),
                    "stands in groups too, so nobody in it is entitled",
                    "remove it from one of the two",
                )


def _plain_aliases(given: Given) -> Iterator[Problem]:
    aliases = {_domain(old): new for old, new in given.section("match", "domain_aliases").items()}
    for old, new in given.section("match", "domain_aliases").items():
        if not isinstance(new, str):
            continue
        target = _domain(new)
        if target == _domain(old):
            yield Problem(("match", "domain_aliases", old), "is an alias of itself", "remove it")
        elif target in aliases:
            yield Problem(
                ("match", "domain_aliases", old), f"leads to {new}, which is an alias itself", f"write {old}: {aliases[target]}"
            )


def _domain(name: str) -> str:
    return domain_key(name) or name.strip().lower()


def _one_clock(given: Given) -> Iterator[Problem]:
    schedule = given.section("schedule")
    interval, cron = schedule.get("interval"), schedule.get("cron")
    if interval is not None and cron is not None:
        yield Problem(("schedule", "cron"), "interval and cron are both given", "keep one of the two")
    if "interval" in schedule and interval is None and cron is None:
        yield Problem(("schedule", "interval"), "has no value, and there is no cron", "write interval: 15m")


def _promise_can_be_kept(given: Given) -> Iterator[Problem]:
    if given.get("schedule", "cron") is not None:
        yield from _promise_under_windows(given)
        return  # its gaps differ from day to day: reports show what was kept
    promise, grace = given.duration("reports", "promise"), given.duration("deactivate", "grace")
    known, interval = given.duration("deactivate", "grace_for_known_leavers"), given.duration("schedule", "interval")
    if promise is None or grace is None or known is None or not interval:
        return
    name, longest = max((("grace", grace), ("grace_for_known_leavers", known)), key=lambda pair: pair[1])
    needed = longest + 2 * interval
    if needed > promise:
        where: tuple[Where, ...] = (("reports", "promise"), ("deactivate", name), ("schedule", "interval"))
        place = next((path for path in where if given.get(*map(str, path)) is not None), where[0])
        yield Problem(
            place,
            f"the promise of {spelled(promise)} cannot be kept: {name} {spelled(longest)} + twice the "
            f"interval {spelled(interval)} = {spelled(needed)}",
            f"write reports.promise: {spelled(needed)} or more, or shorten {name} or interval",
        )
    else:
        yield from _promise_under_windows(given)


def _promise_under_windows(given: Given) -> Iterator[Problem]:
    """Grace, two intervals (none by cron, whose gaps differ) and the longest denial for a reason that is not excepted."""
    windows, promise = _calendar(given), given.duration("reports", "promise")
    grace, known = given.duration("deactivate", "grace"), given.duration("deactivate", "grace_for_known_leavers")
    expired = known if given.get("deactivate", "grace_for_expired") is None else given.duration("deactivate", "grace_for_expired")
    interval = timedelta(0) if given.get("schedule", "cron") is not None else given.duration("schedule", "interval")
    if windows is None or promise is None or grace is None or known is None or expired is None or interval is None:
        return
    graces = dict.fromkeys(LEAVING, grace) | dict.fromkeys(LEAVING[:2], known) | {LEAVING[2]: expired}
    if fault := promise_fault(windows, promise, graces, interval):
        where: tuple[Where, ...] = (("reports", "promise"), ("schedule", "windows"))
        place = next((path for path in where if given.get(*map(str, path)) is not None), where[0])
        yield Problem(place, fault, "promise more, or except that reason from the window")


def _calendar(given: Given) -> Windows | None:
    """The windows as written; None when there are none, or one of them is wrong by itself (said already)."""
    written = given.get("schedule", "windows")
    zone = given.get("schedule", "timezone") or "UTC"
    try:
        windows = windows_given(written, zone) if isinstance(written, list) else Windows()
        for window in windows.windows:
            window.begins(datetime(2026, 1, 1, tzinfo=UTC))
    except (Fault, KeyError, TypeError, ValueError, AttributeError, CronSimError):
        return None
    return windows if windows.windows else None


def _open_at_times(given: Given) -> Iterator[Problem]:
    windows = _calendar(given)
    for place, what, do in calendar_faults(windows) if windows is not None else ():
        yield Problem(("schedule", "windows", place), what, do)


def _one_ledger(given: Given) -> Iterator[Problem]:
    ledger = given.section("ledger")
    others = [key for key in ("url_file", "url_env") if ledger.get(key) is not None]
    if ledger.get("url") is not None and others:
        yield Problem(("ledger", others[0]), f"url and {others[0]} are both given", "keep one of the two")
    if "url" in ledger and ledger["url"] is None and not others:
        yield Problem(("ledger", "url"), "has no value", "write sqlite:////var/lib/syncd/ledger.db, or remove the key")
    key, url = _secret_ledger_url(given)
    what, do = ledger_url_fault(url) if url else ("", "")
    if what:
        yield Problem(("ledger", key), f"what it leads to {what}", do)


def _secret_ledger_url(given: Given) -> tuple[str, str]:
    """The ledger's URL from the file or variable that holds it, and the key that names that."""
    name, variable = given.get("ledger", "url_file"), given.get("ledger", "url_env")
    if isinstance(variable, str) and given.around.check_files:
        return "url_env", given.around.env.get(variable, "").strip()
    if isinstance(name, str) and given.around.check_files:
        try:
            return "url_file", given.around.find(name).read_text().strip()
        except (OSError, ValueError):
            pass  # said already
    return "url_file", ""


_RULES: tuple[Callable[[Given], Iterator[Problem]], ...] = (
    _one_directory,
    _one_bind,
    _encrypted_ldap,
    _one_entra_credential,
    _groups_apart,
    _plain_aliases,
    _one_clock,
    _promise_can_be_kept,
    _one_ledger,
    _no_global_catalog,
    _patient_polls,
    _enough_approvers,
    _content_has_a_receiver,
    _retention_outlived_by_names,
    _open_at_times,
)


# ------------------------------------------------------------------------------------------------------ later features


#: What this version does not know yet; nothing now.
_FEATURES: Mapping[str, Callable[[Given], Iterator[Problem]]] = {}
