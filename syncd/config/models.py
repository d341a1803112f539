"""The configuration as frozen values: attribute names are the file's keys, defaults are the documented ones.

Durations are ``timedelta``, percentages numbers from 0 to 100, lists tuples, secrets ``SecretSource``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from syncd.config.directories import Directory
from syncd.config.not_yet import DEFAULT_FORMATS, Format
from syncd.config.places import (
    CaFile,
    LedgerUrl,
    Listen,
    PresentFile,
    ProxyUrl,
    ReadPath,
    ServiceUrl,
    WebSocketUrl,
    WrittenPath,
)
from syncd.config.section import OptionalSecret, Secret, SecretKeys, Section
from syncd.config.values import (
    Address,
    AddressOrPattern,
    Cron,
    Domain,
    DomainOrBelow,
    Duration,
    KubernetesName,
    List,
    OrdinaryRole,
    Percent,
    Share,
    Text,
    Time,
    Timezone,
    duration,
)
from syncd.model import Mode


class ZoomEvents(Section):
    """Zoom's events over an outbound WebSocket."""

    subscription_id: Text = Field(examples=["sUbScRiPtIoN"], description="Id on the page of the app's event subscription.")
    url: WebSocketUrl | None = Field(None, description="Address instead of the cloud's; ws:// for loopback only.")


class Zoom(Section):
    """The Zoom account, and how hard syncd may work on it."""

    account_id: Text = Field(examples=["abcDEF123"], description="Account id of the server-to-server OAuth app.")
    client_id: Text = Field(examples=["xyzDEF456"], description="Client id of that app.")
    client_secret: Annotated[Secret, SecretKeys("client_secret")] = Field(description="Client secret of that app.")
    cloud: Literal["commercial", "government"] = Field("commercial", description="Which Zoom cloud.")
    token_url: ServiceUrl | None = Field(None, description="Token address instead of the cloud's.")
    api_url: ServiceUrl | None = Field(None, description="API address instead of the cloud's and the token answer's.")
    ca_file: CaFile | None = Field(None, description="CA certificates (PEM); null: the system's.")
    page_size: int = Field(300, ge=1, le=2000, description="Users asked for per page.")
    account_plan: Literal["free", "pro", "business"] = Field(
        "pro", description="Picks the account's published limits per second and per day."
    )
    share: Share = Field(50.0, description="How much of those limits syncd may use; every app of the account shares them.")
    concurrency: int = Field(16, ge=1, le=100, description="Requests under way at the same time.")
    max_wait: Duration = Field(duration("60s"), description="Longest wait for one Retry-After; beyond it the cycle ends.")
    events: ZoomEvents | None = Field(None, description="Zoom's own events as a second witness; null: none.")
    operation_log: bool = Field(False, description="Compare Zoom's operation log with the ledger once a day.")


class Match(Section):
    """How addresses of the two sides are compared."""

    domain_aliases: dict[Domain, Domain] = Field({}, description="Old domain: the domain it counts as.")
    person_number: Text | None = Field(
        None, description="Attribute or column of a number that stays with a person; ids that share one are one person."
    )
    ignore_people: Annotated[tuple[Text, ...], List] = Field(
        (), description="Directory ids or SIDs that claim nothing: broken objects nobody can mend."
    )


class Scope(Section):
    """Which Zoom accounts are syncd's business."""

    domains: Annotated[tuple[DomainOrBelow, ...], List] = Field(
        min_length=1,
        examples=[["corp.example"]],
        description='Exact domains; "*.corp.example" for subdomains. Accounts elsewhere are never touched.',
    )
    pilot: Annotated[tuple[AddressOrPattern, ...], List] = Field(
        (), description="If not empty, only these accounts are ever changed; the rest is reported."
    )


class Protect(Section):
    """Who is never changed."""

    ordinary_roles: Annotated[tuple[OrdinaryRole, ...], List] = Field(
        ("member",), description="Zoom roles that may be deactivated; every other role is protected."
    )
    accounts: Annotated[tuple[AddressOrPattern, ...], List] = Field((), description="Addresses and patterns.")
    groups: Annotated[tuple[Text, ...], List] = Field((), description="Names of Zoom groups.")
    directory_groups: Annotated[tuple[Text, ...], List] = Field((), description="Directory groups (VIP, legal hold, leave).")


class Deactivate(Section):
    """When an account goes."""

    grace: Duration = Field(duration("4h"), description="How long somebody must be continuously gone; 0s: at once.")
    grace_reads: int = Field(2, ge=1, le=1000, description="And in how many good reads in a row (1 with grace: 0s).")
    when_disabled: bool = Field(True, description="A disabled directory account is not entitled.")
    when_expired: bool = Field(True, description="Nor an expired one.")
    grace_for_known_leavers: Duration = Field(
        duration("0s"), description="For the disabled, the expired and members of leaver groups, instead of grace."
    )
    grace_for_expired: Duration | None = Field(None, description="For the expired alone; null: as grace_for_known_leavers.")
    revoke_sessions: bool = Field(False, description="Also end the SSO session (one more Zoom scope).")


class Guards(Section):
    """What holds a plan until a person has checked it."""

    max_deactivations: int | None = Field(
        None, ge=0, description="Per cycle; null: the larger of 25 and 1 % of active accounts in scope."
    )
    max_deactivations_percent: Percent = Field(5.0, description="Per cycle, of active accounts in scope; the stricter wins.")
    percent_floor: int = Field(3, ge=0, description="Up to this many never trip a percentage; 0: always judged.")
    max_deactivations_per_day: int | None = Field(
        None, ge=0, description="Over 24 h, earlier cycles included; null: the larger of 100 and 2 %."
    )
    max_deactivations_per_30_days: int | None = Field(
        None, ge=0, description="Over 30 days, the slow drip; null: the larger of 25 and 10 %."
    )
    max_reactivations: int | None = Field(
        None, ge=0, description="Per cycle; null: the larger of 10 and 1 % of active accounts in scope."
    )
    max_reactivations_per_day: int | None = Field(
        None, ge=0, description="Over 24 h, earlier cycles included; null: the larger of 50 and 2 %."
    )
    sentinels: Annotated[tuple[Address, ...], List] = Field(
        (), description="Addresses that must be seen entitled in every read: a canary for blind reads."
    )
    min_directory_people: int = Field(1, ge=1, description="Fewer people in the directory are taken for a fault.")
    max_replication_lag: Duration = Field(
        duration("3h"), description="How long another controller may lag behind the one read before."
    )
    max_directory_shrink_percent: Percent = Field(10.0, description="Against the highest good read of the last 7 days.")
    max_flapping: int = Field(5, ge=0, description="Accounts that came back to life within 24 h of our deactivation.")
    max_clock_skew: Time = Field(duration("5m"), description="Between this machine and Zoom or the directory.")
    max_failing_writes_percent: Percent = Field(20.0, description="Of a cycle's writes, after the first 10.")
    min_match_percent: Percent = Field(
        50.0, description="Share of active accounts in scope that match anybody in the directory read."
    )


class Window(Section):
    """A time in which changes may, or may not, be made."""

    kind: Literal["deny", "allow"] = Field(description="Deny wins; with any allow, everything outside of one is denied.")
    cron: Cron = Field(examples=["0 18 * * 5"], description="When it begins: five fields.")
    duration: Time = Field(examples=["62h"], description="How long it lasts, in elapsed time.")
    timezone: Timezone | None = Field(None, description="Time zone of cron; null: schedule.timezone.")
    applies_to: Annotated[tuple[Literal["deactivate", "reactivate"], ...], List] | None = Field(
        None, description="Changes it is about; null: deactivate for deny, both for allow."
    )
    except_: (
        Annotated[
            tuple[
                Literal[
                    "in_leavers_group",
                    "disabled_in_directory",
                    "expired_in_directory",
                    "left_groups",
                    "absent_from_directory",
                    "entitled_again",
                ],
                ...,
            ],
            List,
        ]
        | None
    ) = Field(None, description="Reasons it does not hold back; null: the known leavers for deny, none for allow.")


class Schedule(Section):
    """When cycles run."""

    interval: Time | None = Field(duration("15m"), description="Time between two starts; instead of cron.")
    cron: Cron | None = Field(None, description="Five fields: minute, hour, day, month, weekday; instead of interval.")
    timezone: Timezone = Field("UTC", description="Time zone of cron.")
    jitter: Duration = Field(duration("30s"), description="Up to so much later, at random, to spread instances.")
    watch: bool = Field(False, description="Act on directory changes within seconds.")
    watch_settle: Duration = Field(
        duration("30s"), description="How long a disabling seen by the watch must last before it counts."
    )
    watch_poll: Time | None = Field(
        None,
        description="How often changes are asked for; null: 1s (Active Directory, file: at the latest, for one is looked at ten "
        "times a second), 30s (Entra; at least 10s).",
    )
    windows: Annotated[tuple[Window, ...], List] = Field((), description="When changes may or may not be made.")

    @model_validator(mode="before")
    @classmethod
    def _cron_instead(cls, given: Any) -> Any:
        return _instead(given, "interval", "cron")


class Ledger(Section):
    """Where the record is kept."""

    url: LedgerUrl | None = Field(
        "sqlite:////var/lib/syncd/ledger.db", description="sqlite:////absolute/path or postgresql://host/database."
    )
    url_secret: Annotated[OptionalSecret, SecretKeys("url", also_plain=True)] = Field(
        None, description="The URL when it holds a password, instead of url."
    )
    keep_personal: Time = Field(duration("400d"), description="Names and addresses are blanked after this.")

    @model_validator(mode="before")
    @classmethod
    def _secret_instead(cls, given: Any) -> Any:
        return _instead(given, "url", "url_file", "url_env")


def _instead(given: Any, key: str, *others: str) -> Any:
    """A default gives way to another key that says the same."""
    if isinstance(given, dict) and key not in given and any(given.get(other) is not None for other in others):
        return {**given, key: None}
    return given


class Lease(Section):
    """A coordination.k8s.io/v1 Lease; the three last keys are the cluster's own by default."""

    namespace: KubernetesName = Field(examples=["syncd"], description="Namespace of the Lease.")
    name: KubernetesName = Field(examples=["syncd"], description="Name of the Lease.")
    duration: Time = Field(duration("15s"), description="How long a leader that is not heard of keeps others waiting.")
    api_url: ServiceUrl | None = Field(None, description="Kubernetes API; null: the cluster's own.")
    token: Annotated[OptionalSecret, SecretKeys("token")] = Field(None, description="Token; null: the service account's.")
    ca_file: CaFile | None = Field(None, description="CA certificates (PEM); null: the cluster's own.")


class Leadership(Section):
    """Which of several replicas acts."""

    lease: Lease | None = Field(None, description="null: this process leads alone.")


class Http(Section):
    """The daemon's own HTTP server."""

    listen: Listen = Field("127.0.0.1:9464", description="host:port for metrics, health and the status page.")
    trigger_token: Annotated[OptionalSecret, SecretKeys("trigger_token")] = Field(
        None, description="Bearer token that enables POST /sync."
    )

    @property
    def host(self) -> str:
        """The host of ``listen``, an IPv6 address without its brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of ``listen``; 0: any free one."""
        return int(self.listen.rpartition(":")[2])


class Reports(Section):
    """Evidence on disk."""

    directory: WrittenPath | None = Field(None, description="Where reports are written; null: none are.")
    formats: Annotated[tuple[Format, ...], List] = Field(
        DEFAULT_FORMATS, min_length=1, description="Which files each report consists of."
    )
    omit_columns: Annotated[tuple[Literal["display_name", "department", "last_login_at", "licence", "manager"], ...], List] = (
        Field((), description="Columns to leave out.")
    )
    promise: Time = Field(duration("24h"), description="Leaving to locked out; grace and twice the interval must fit in.")
    keep: Time = Field(duration("400d"), description="Files older than this are removed; their record stays.")
    signing_key: Annotated[OptionalSecret, SecretKeys("signing_key")] = Field(
        None, description="Ed25519 private key (PEM) that signs ledger heads and report manifests."
    )
    timezone: Timezone = Field("UTC", description="Whose days a period report means.")


class Approvals(Section):
    """Who may let a held plan pass."""

    required: Literal[1, 2] = Field(1, description="How many different people must approve a plan.")
    approvers: Annotated[tuple[Text, ...], List] = Field((), description="Names that may approve; empty: anybody.")
    signers_file: PresentFile | None = Field(
        None, description="Lines NAME ssh-ed25519 AAAA…: with it an approval counts only when signed."
    )


class Receiver(Section):
    """Who gets a leaver's content."""

    from_: Literal["manager"] | None = Field("manager", description="manager: as last seen while the leaver was entitled.")
    else_: Address | None = Field(None, examples=["archive@corp.example"], description="Whoever gets it when there is none.")


class LegalHold(Section):
    """Whose content is never handed over nor deleted."""

    accounts: Annotated[tuple[AddressOrPattern, ...], List] = Field((), description="Addresses and patterns.")
    directory_groups: Annotated[tuple[Text, ...], List] = Field((), description="Directory groups.")


Content = Literal["meetings", "webinars", "recordings", "whiteboards"]


class Handover(Section):
    """What becomes of a leaver's content after retention."""

    after: Time = Field(examples=["90d"], description="How long the account stays deactivated before.")
    end: Literal["delete", "unlink"] = Field(description="What Zoom does with the account then; neither can be undone.")
    receiver: Receiver = Field(Receiver(), description="Who gets the content.")
    content: Annotated[tuple[Content, ...], List] = Field(
        ("meetings", "webinars", "recordings", "whiteboards"), description="What is handed over; the rest is lost."
    )
    zoom_deletes_after: Time | None = Field(
        None, description="Zoom's own deletion of deactivated users, if the account has it on (no API tells)."
    )
    leavers_file: ReadPath | None = Field(None, description="CSV with a column address: people who left for good.")
    legal_hold: LegalHold = Field(LegalHold(), description="Whose content stays as it is.")
    never_to_manager: Annotated[tuple[AddressOrPattern, ...], List] = Field(
        (), description="Leavers whose content goes to receiver.else, never to their manager."
    )
    max_per_day: int = Field(20, ge=1, description="Handovers over 24 h.")
    client_id: Text = Field(examples=["handoverXYZ"], description="A Zoom app of its own, which may delete users.")
    client_secret: Annotated[Secret, SecretKeys("client_secret", by_one_verb=True)] = Field(
        description="Client secret of that app; only handover run reads it, so it need not be where the daemon runs."
    )


class Notification(Section):
    """A webhook for those without Prometheus."""

    webhook_url: Annotated[Secret, SecretKeys("webhook_url")] = Field(description="Address to POST to.")
    format: Literal["json", "slack", "teams"] = Field("json", description="What the receiver understands.")
    on: Annotated[
        tuple[Literal["held", "unreadable", "partial", "manual", "overdue", "digest_daily", "digest_weekly"], ...], List
    ] = Field(("held", "unreadable", "partial", "manual"), min_length=1, description="What is worth a message.")


class Logging(Section):
    """Log lines on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least important lines written.")
    format: Literal["json", "text"] = Field("json", description="JSON lines for machines, text for people.")
    addresses: bool = Field(False, description="Whether e-mail addresses may appear in log lines.")


class Config(Section):
    """Configuration of syncd."""

    mode: Annotated[Mode, Field(strict=False)] = Field(
        description="report never writes to Zoom, enforce does. No default: how much may change is the operator's to say."
    )
    directory: Directory = Field(description="Where people are: exactly one of the three.")
    zoom: Zoom = Field(description="The Zoom account.")
    match: Match = Field(Match(), description="How addresses are compared.")
    scope: Scope = Field(description="Which Zoom accounts are syncd's business.")
    protect: Protect = Field(Protect(), description="Who is never changed.")
    deactivate: Deactivate = Field(Deactivate(), description="When an account goes.")
    reactivate: Literal["ours", "any", "never"] = Field(
        "ours", description="Which inactive accounts of entitled people come back: those syncd deactivated, any, or none."
    )
    reactivate_reads: int = Field(
        2, ge=1, le=1000, description="In how many good reads in a row somebody must be entitled again before they come back."
    )
    restore_licence: bool = Field(True, description="On reactivation give back the licence type recorded at deactivation.")
    guards: Guards = Field(Guards(), description="What holds a plan until a person has checked it.")
    schedule: Schedule = Field(Schedule(), description="When cycles run.")
    ledger: Ledger = Field(Ledger(), description="Where the record is kept.")
    leadership: Leadership = Field(Leadership(), description="Which of several replicas acts.")
    http: Http = Field(Http(), description="The daemon's own HTTP server.")
    reports: Reports = Field(Reports(), description="Evidence on disk.")
    approvals: Approvals = Field(Approvals(), description="Who may let a held plan pass.")
    handover: Handover | None = Field(None, description="What becomes of a leaver's content; null: nothing.")
    proxy: ProxyUrl | None = Field(None, description="HTTP proxy; null: HTTPS_PROXY and NO_PROXY. Never used for LDAP.")
    notify: Annotated[tuple[Notification, ...], List] = Field((), description="Webhooks.")
    logging: Logging = Field(Logging(), description="Log lines on stderr.")
