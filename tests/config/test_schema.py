"""The JSON Schema: an editor that follows it never marks what syncd accepts, and marks the usual slips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from syncd.config import json_schema, load
from syncd.config.document import parse
from tests.config.files import ENV, SMALLEST, WITH_AD, WITH_ENTRA, written
from tests.config.test_examples import SHIPPED

SCHEMA = json_schema()


def values(text: str) -> Any:
    """A file's values as an editor sees them."""
    return parse(text.encode()).values


def test_the_schema_is_a_schema() -> None:
    """It names its dialect, can be printed, and is valid itself."""
    Draft202012Validator.check_schema(SCHEMA)

    assert "https://json-schema.org/draft/2020-12/schema" == SCHEMA["$schema"]
    assert SCHEMA == json.loads(json.dumps(SCHEMA))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_valid(path: Path) -> None:
    """The schema and the loader agree on them."""
    Draft202012Validator(SCHEMA).validate(values(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        SMALLEST,
        SMALLEST + "guards:\nreports:\nschedule: {jitter: 0s}\n",
        SMALLEST + "guards: {max_deactivations_percent: 5%, max_deactivations: null}\nhttp: {trigger_token_file: null}\n",
        SMALLEST + 'schedule: {cron: "0 4 * * *"}\nledger: {url_env: ZOOM_SECRET}\n',
        SMALLEST + "ledger: {url_file: null, url: sqlite:///ledger.db}\nleadership: {lease: null}\nnotify: []\n",
        SMALLEST + "notify: [{webhook_url_env: ZOOM_SECRET}]\nreports: {formats: [html]}\n",
        SMALLEST.replace("client_id: xyz", "client_id: xyz, share: 12.5%, page_size: 2000, ca_file: null"),
        SMALLEST.replace("client_id: xyz", "client_id: xyz, share: 12.5, client_secret_file: null"),
        WITH_AD,
        WITH_AD.replace("base_dn: DC=corp,DC=example", 'base_dn: ["DC=corp,DC=example"]'),
        WITH_ENTRA,
    ],
)
def test_what_loads_is_valid(tmp_path: Path, text: str) -> None:
    """Everything that syncd accepts; both judge the same text."""
    env = {**ENV, "AZURE_FEDERATED_TOKEN_FILE": "/no/such/token"}
    load(written(tmp_path, text), env, check_files=False, not_yet=frozenset())

    Draft202012Validator(SCHEMA).validate(values(text))


@pytest.mark.parametrize(
    "text",
    [
        SMALLEST.replace("mode: report", "mode: on"),
        SMALLEST.replace("mode: report", ""),
        SMALLEST + "grace: 4h\n",
        SMALLEST + "deactivate: {grace: 500ms}\n",
        SMALLEST + "deactivate: {grace: 4}\n",
        SMALLEST + "guards: {max_flapping: -1}\n",
        SMALLEST.replace("client_id: xyz", "client_id: xyz, client_secret: hunter2"),
        SMALLEST.replace("client_secret_env: ZOOM_SECRET", ""),
        SMALLEST.replace("client_id: xyz", "client_id: xyz, client_secret_file: both"),
        SMALLEST.replace("domains: [corp.example]", "domains: []"),
        SMALLEST.replace("file: {path: people.csv}", ""),
        WITH_AD.replace("directory:\n", "directory:\n  file: {path: people.csv}\n"),
        WITH_AD.replace("base_dn: DC=corp,DC=example", "base_dn: []"),
    ],
)
def test_the_usual_slips_are_marked(tmp_path: Path, text: str) -> None:
    """Wrong words, unknown keys, inline or missing secrets, no directory or two; syncd refuses them as well."""
    assert not Draft202012Validator(SCHEMA).is_valid(values(text))
    with pytest.raises(Exception, match="problem"):
        load(written(tmp_path, text), ENV)


def test_every_key_is_described_and_defaults_are_as_an_author_writes_them() -> None:
    """Editors show both."""
    definitions = [SCHEMA, *SCHEMA["$defs"].values()]
    silent = [
        key
        for definition in definitions
        for key, told in definition.get("properties", {}).items()
        if not (told.get("description") or "$ref" in told)
    ]

    assert [] == silent
    assert "4h" == SCHEMA["$defs"]["Deactivate"]["properties"]["grace"]["default"]
    assert "24h" == SCHEMA["$defs"]["Reports"]["properties"]["promise"]["default"]
