"""What a file that is right turns into: defaults, durations, paths and secrets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from syncd.app import pace_of
from syncd.config import NOT_YET, SecretSource, explain_problems, load
from syncd.errors import ConfigError
from syncd.model import Limits, Mode, Policy
from tests.config.files import ENV, SMALLEST, WITH_AD, WITH_ENTRA, written


def problems(path: Path, env: dict[str, str] = ENV, **more: frozenset[str]) -> tuple[str, ...]:
    """What is said about a file that is refused."""
    with pytest.raises(ConfigError) as caught:
        load(path, env, **more)  # type: ignore[arg-type]
    return caught.value.problems


def test_the_smallest_file_gets_every_documented_default(tmp_path: Path) -> None:
    """Only what the operator must decide is required; the rest is as the interface says."""
    config = load(written(tmp_path), ENV)

    assert Mode.REPORT is config.mode
    assert ("commercial", None, None, 300, "pro", 50.0, 16) == (
        config.zoom.cloud,
        config.zoom.token_url,
        config.zoom.api_url,
        config.zoom.page_size,
        config.zoom.account_plan,
        config.zoom.share,
        config.zoom.concurrency,
    )
    assert timedelta(seconds=60) == config.zoom.max_wait
    assert (timedelta(hours=4), 2, True, True, timedelta(0), False) == (
        config.deactivate.grace,
        config.deactivate.grace_reads,
        config.deactivate.when_disabled,
        config.deactivate.when_expired,
        config.deactivate.grace_for_known_leavers,
        config.deactivate.revoke_sessions,
    )
    assert ("ours", True, ("member",)) == (config.reactivate, config.restore_licence, config.protect.ordinary_roles)
    assert (timedelta(minutes=15), None, "UTC", timedelta(seconds=30), False) == (
        config.schedule.interval,
        config.schedule.cron,
        config.schedule.timezone,
        config.schedule.jitter,
        config.schedule.watch,
    )
    assert ("sqlite:////var/lib/syncd/ledger.db", None, timedelta(days=400)) == (
        config.ledger.url,
        config.ledger.url_secret,
        config.ledger.keep_personal,
    )
    assert (None, "127.0.0.1", 9464, None) == (
        config.leadership.lease,
        config.http.host,
        config.http.port,
        config.http.trigger_token,
    )
    assert (None, (), timedelta(hours=24), timedelta(days=400), None) == (
        config.reports.directory,
        config.reports.omit_columns,
        config.reports.promise,
        config.reports.keep,
        config.reports.signing_key,
    )
    assert (None, (), "info", "json", False) == (
        config.proxy,
        config.notify,
        config.logging.level,
        config.logging.format,
        config.logging.addresses,
    )


def test_the_defaults_of_guards_are_those_of_the_policy(tmp_path: Path) -> None:
    """Two places state them, the file's model and the model of a decision: they agree."""
    guards = load(written(tmp_path), ENV).guards

    assert Limits(**dict(guards)) == Limits()


def test_the_defaults_of_deactivation_are_those_of_the_policy(tmp_path: Path) -> None:
    """The same for everything else a policy holds."""
    config = load(written(tmp_path), ENV)
    policy = Policy(zoom_account_id="abc", domains=("corp.example",))

    assert {name: getattr(policy, name) for name in dict(config.deactivate)} == dict(config.deactivate)
    assert (policy.reactivate, policy.restore_licence, policy.ordinary_roles) == (
        config.reactivate,
        config.restore_licence,
        config.protect.ordinary_roles,
    )


def test_active_directory_gets_its_defaults(tmp_path: Path) -> None:
    """One base stands for a list of one; the password is a place, never a value."""
    directory = load(written(tmp_path, WITH_AD), ENV).directory.active_directory

    assert directory is not None
    assert directory.bind.simple is not None
    assert SecretSource(env="ZOOM_SECRET") == directory.bind.simple.password
    assert (("DC=corp,DC=example",), "refuse", True, ("mail", "userPrincipalName", "proxyAddresses"), 1000) == (
        directory.base_dn,
        directory.unresolved_members,
        directory.nested,
        directory.address_attributes,
        directory.page_size,
    )
    assert (timedelta(seconds=5), timedelta(seconds=30), False, False) == (
        directory.connect_timeout,
        directory.read_timeout,
        directory.start_tls,
        directory.allow_plaintext,
    )


@pytest.mark.parametrize(("key", "server"), [("start_tls", "ldap"), ("allow_plaintext", "ldap"), ("nested", "ldaps")])
def test_ldap_is_accepted_where_it_is_encrypted_or_plainly_asked_for(tmp_path: Path, key: str, server: str) -> None:
    """ldap:// with start_tls, ldap:// with allow_plaintext, ldaps://."""
    text = WITH_AD.replace("ldaps://", f"{server}://").replace("    base_dn", f"    {key}: true\n    base_dn")

    assert load(written(tmp_path, text), ENV).directory.active_directory is not None


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    """What was read at the start holds until the end."""
    config = load(written(tmp_path), ENV)

    with pytest.raises(ValidationError):
        config.zoom.page_size = 1  # type: ignore[misc]


def test_a_secret_is_never_part_of_the_configuration(tmp_path: Path) -> None:
    """Neither from a file nor from a variable."""
    (tmp_path / "token").write_text("hunter2-too\n")
    config = load(written(tmp_path, more="http: {trigger_token_file: token}\n"), ENV)

    assert SecretSource(file=tmp_path / "token") == config.http.trigger_token
    assert {"file": str(tmp_path / "token"), "env": None} == config.model_dump(mode="json")["http"]["trigger_token"]
    assert "hunter2" not in repr(config) + str(config.model_dump()) + config.model_dump_json()


def test_what_is_read_lies_beside_the_file_or_else_in_the_working_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A path means the same wherever syncd is started, and a file that is only where syncd is started is found as well."""
    beside, working = tmp_path / "etc", tmp_path / "work"
    for place in (beside, working):
        place.mkdir()
    (beside / "both").write_text("x")
    (working / "both").write_text("x")
    (working / "people.csv").write_text("id\n")
    monkeypatch.chdir(working)

    config = load(written(beside, more="http: {trigger_token_file: both}\nreports: {directory: reports}\n"), ENV)

    assert config.directory.file is not None
    assert config.http.trigger_token is not None
    assert working / "people.csv" == config.directory.file.path
    assert beside / "both" == config.http.trigger_token.file
    assert Path("reports") == config.reports.directory


def test_a_missing_file_of_people_is_not_the_configuration_s_fault(tmp_path: Path) -> None:
    """The directory cannot be read then (exit 4), which may pass by itself."""
    directory = load(written(tmp_path), ENV).directory

    assert directory.file is not None
    assert tmp_path / "people.csv" == directory.file.path


def test_a_ca_file_must_hold_a_certificate(tmp_path: Path) -> None:
    """A real one is accepted; what else may stand in such a file is shown by the bad files."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    text = WITH_AD.replace("    base_dn", "    ca_file: ca.pem\n    base_dn")

    directory = load(written(tmp_path, text), ENV).directory.active_directory

    assert directory is not None
    assert tmp_path / "ca.pem" == directory.ca_file


def test_files_and_variables_may_be_missing_when_nobody_asks_for_them(tmp_path: Path) -> None:
    """So that a file can be judged on another machine than the one that has the secrets."""
    text = SMALLEST.replace("client_secret_env: ZOOM_SECRET", "client_secret_file: /no/such/secret")

    config = load(written(tmp_path, text), {}, check_files=False)

    assert SecretSource(file=Path("/no/such/secret")) == config.zoom.client_secret


def test_a_cron_takes_the_place_of_the_default_interval(tmp_path: Path) -> None:
    """There is one clock; and a cron's gaps are not held against the promise."""
    schedule = load(written(tmp_path, more='schedule: {cron: "*/15 6-20 * * 1-5", timezone: Europe/Berlin}\n'), ENV).schedule

    assert (None, "*/15 6-20 * * 1-5", "Europe/Berlin") == (schedule.interval, schedule.cron, schedule.timezone)


@pytest.mark.parametrize("interval", ["10h", "36000s"])
def test_a_promise_that_is_just_kept_is_accepted(tmp_path: Path, interval: str) -> None:
    """Grace 4h and twice 10h are exactly the promised 24h."""
    assert timedelta(hours=10) == load(written(tmp_path, more=f"schedule: {{interval: {interval}}}\n"), ENV).schedule.interval


def test_a_longer_grace_for_known_leavers_counts_for_the_promise(tmp_path: Path) -> None:
    """The promise is made for every leaver."""
    [problem] = problems(written(tmp_path, more="deactivate: {grace_for_known_leavers: 25h}\n"))

    assert problem.startswith("line 6: deactivate.grace_for_known_leavers: the promise of 24h cannot be kept")
    assert "grace_for_known_leavers 25h + twice the interval 15m = 1530m" in problem


@pytest.mark.parametrize(("written_as", "share"), [("50%", 50.0), ("50", 50.0), ("12.5%", 12.5), ("0.5%", 0.5), ("100", 100.0)])
def test_a_share_is_a_percentage(tmp_path: Path, written_as: str, share: float) -> None:
    """With or without the sign."""
    text = SMALLEST.replace("client_id: xyz", f"client_id: xyz, share: {written_as}")

    assert share == load(written(tmp_path, text), ENV).zoom.share


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/v2", "http://localhost:9000/v2", "http://[::1]:9000/v2", "https://api.zoom.us/v2"]
)
def test_an_address_for_a_token_is_encrypted_or_on_this_machine(tmp_path: Path, url: str) -> None:
    """Loopback by name or number, and https anywhere."""
    text = SMALLEST.replace("client_id: xyz", f'client_id: xyz, api_url: "{url}"')

    assert url == load(written(tmp_path, text), ENV).zoom.api_url


def test_domains_and_aliases_are_kept_in_the_form_in_which_addresses_are_compared(tmp_path: Path) -> None:
    """Case and spelling never count; a domain in letters has its ASCII form."""
    text = SMALLEST.replace("[corp.example]", '[Corp.Example, "*.Bu\u0308cher.example"]')
    config = load(written(tmp_path, text, "match: {domain_aliases: {OLD.example: Corp.example}}\n"), ENV)

    assert ("corp.example", "*.xn--bcher-kva.example") == config.scope.domains
    assert {"old.example": "corp.example"} == config.match.domain_aliases


def test_a_section_with_nothing_under_it_is_its_defaults(tmp_path: Path) -> None:
    """Everything in it is commented out, which happens."""
    config = load(written(tmp_path, more="guards:\n  # max_deactivations: 25\nreports:\n"), ENV)

    assert config.guards.max_deactivations is None


def test_features_of_later_versions_are_accepted_once_they_are_there(tmp_path: Path) -> None:
    """One set says what is not there yet; what it does not name works."""
    more = """\
schedule: {watch: true, windows: [{kind: deny, cron: "0 18 * * 5", duration: 62h, except: [left_groups]}]}
ledger: {url_env: LEDGER}
leadership: {lease: {namespace: syncd, name: syncd, token_env: ZOOM_SECRET}}
reports: {formats: [html, csv, json], signing_key_env: ZOOM_SECRET, promise: 30d}
notify: [{webhook_url_env: ZOOM_SECRET, on: [held]}]
handover: {after: 90d, end: delete, receiver: {else: archive@corp.example}, client_id: x, client_secret_env: ZOOM_SECRET}
"""
    env = {**ENV, "LEDGER": "postgresql://syncd:hunter2@db.corp.example/syncd", "AZURE_FEDERATED_TOKEN_FILE": "token"}
    (tmp_path / "token").write_text("x")
    path = written(tmp_path, WITH_ENTRA, more)

    config = load(path, env, not_yet=frozenset())

    assert config.directory.entra is not None
    assert SecretSource(file=tmp_path / "token") == config.directory.entra.credential.federated_token
    assert SecretSource(env="LEDGER") == config.ledger.url_secret
    assert config.ledger.url is None
    assert ("held",) == config.notify[0].on
    assert config.leadership.lease is not None
    assert timedelta(seconds=15) == config.leadership.lease.duration
    assert (("left_groups",), None) == (config.schedule.windows[0].except_, config.schedule.windows[0].applies_to)
    assert config.handover is not None
    assert ("manager", "archive@corp.example") == (config.handover.receiver.from_, config.handover.receiver.else_)
    assert config == load(path, env, not_yet=NOT_YET)


def test_an_identity_managed_by_the_platform_needs_no_client_id(tmp_path: Path) -> None:
    """It has its own."""
    client_id = "    client_id: 00000000-0000-0000-0000-000000000000\n"
    text = WITH_ENTRA.replace(client_id, "    credential: {managed_identity: system}\n")
    entra = load(written(tmp_path, text), ENV, not_yet=frozenset()).directory.entra

    assert entra is not None
    assert ("system", None) == (entra.credential.managed_identity, entra.client_id)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.yaml", "there is no such configuration file"),
        ("", "is a directory, not a configuration file"),
    ],
)
def test_a_configuration_that_is_not_there_is_named(tmp_path: Path, name: str, said: str) -> None:
    """With the two ways to name another one."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, ENV)

    assert said in explain_problems(caught.value)
    assert "--config" in explain_problems(caught.value)


def test_a_file_with_control_characters_in_its_secret_key_is_refused_without_a_crash(tmp_path: Path) -> None:
    """Nothing an operator can write is a traceback."""
    text = SMALLEST.replace("client_secret_env: ZOOM_SECRET", 'client_secret_file: "a\\0b"')

    [problem] = problems(written(tmp_path, text))

    assert problem.startswith("line 4: zoom.client_secret_file: the file named here cannot be read")


@pytest.mark.parametrize(
    ("text", "more", "seconds"),
    [
        (SMALLEST, "", 0.1),  # one stat of a file, so often that a leaver is noticed well within a second
        (WITH_AD, "", 1.0),
        (WITH_ENTRA.replace("    groups:", "    credential: {managed_identity: system}\n    groups:"), "", 30.0),
        (SMALLEST, "schedule: {watch: true, watch_poll: 30s}\n", 30.0),
        (WITH_AD, "schedule: {watch: true, watch_poll: 10s}\n", 10.0),
    ],
)
def test_places_are_asked_for_changes_at_a_pace_of_their_kind_or_as_the_operator_says(
    tmp_path: Path, text: str, more: str, seconds: float
) -> None:
    """What costs next to nothing is asked more often; who says how often is obeyed."""
    assert seconds == pace_of(load(written(tmp_path, text, more), ENV)).poll_seconds
