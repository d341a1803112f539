"""Signatures of people, both ways with OpenSSH's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from syncd.errors import ConfigError, UsageError
from syncd.host.sshsig import NAMESPACE, demand_own_keys, fits, sign, signers_in

MESSAGE = b'{"plan":"4f3a"}'


def key(folder: Path, name: str = "kim", kind: str = "ed25519", passphrase: str = "") -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", path], check=True)
    return path


def listed(path: Path, name: str = "Kim") -> str:
    return f"{name} {path.with_suffix('.pub').read_text()}"


@pytest.fixture
def kim(tmp_path: Path) -> Path:
    return key(tmp_path)


@pytest.fixture
def signers(tmp_path: Path, kim: Path) -> tuple[str, ...]:
    file = tmp_path / "signers"
    file.write_text("# who may approve\n\n" + listed(kim) + listed(key(tmp_path, "ann"), '"Ann Lee"'))
    return signers_in(file)


def test_what_was_signed_here_fits_and_nothing_else_does(kim: Path, signers: tuple[str, ...]):
    """Another message, another name, no signature, a cut one."""
    signature = sign(kim, MESSAGE)

    assert fits(signature, MESSAGE, "kim", signers)
    assert not fits(signature, MESSAGE + b" ", "Kim", signers)
    assert not fits(signature, MESSAGE, "Ann Lee", signers)
    assert not fits(signature, MESSAGE, "Kim", ())
    assert not fits("", MESSAGE, "Kim", signers)
    assert not fits(signature.replace("\n", "", 1)[:-40], MESSAGE, "Kim", signers)


def test_openssh_takes_our_signature(kim: Path, tmp_path: Path):
    """ssh-keygen -Y verify."""
    allowed, signature = tmp_path / "allowed", tmp_path / "sig"
    allowed.write_text(listed(kim))
    signature.write_text(sign(kim, MESSAGE))
    words = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "Kim", "-n", NAMESPACE, "-s", signature]

    assert 0 == subprocess.run(words, input=MESSAGE, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("namespace", "expected"), [(NAMESPACE, True), ("git", False)])
def test_we_take_openssh_s_signature_for_our_purpose_only(
    kim: Path, signers: tuple[str, ...], tmp_path: Path, namespace: str, expected: bool
):
    """ssh-keygen -Y sign; one made for a commit is none of an approval."""
    message = tmp_path / "message"
    message.write_bytes(MESSAGE)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", kim, "-n", namespace, message], check=True, capture_output=True)

    assert expected == fits((tmp_path / "message.sig").read_text(), MESSAGE, "Kim", signers)


def test_names_may_have_blanks_and_lines_may_have_options(tmp_path: Path, kim: Path):
    """As in OpenSSH's allowed signers, several names for one key too."""
    public = kim.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    file = tmp_path / "signers"
    file.write_text(f'"Ann Lee" namespaces="{NAMESPACE}" {public} ann@laptop\nKim,Lee {public}\nMax Doe {public}\n')

    assert [f"{name} {public}" for name in ("Ann Lee", "Kim", "Lee", "Max Doe")] == list(signers_in(file))


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ('namespaces="git"', False),
        ('namespaces="git,file"', False),
        ('NAMESPACES="syncd-*"', True),
        ('namespaces="git,syncd-approval"', True),
        ('namespaces="*,!syncd-approval"', False),
    ],
)
def test_a_key_for_something_else_signs_no_approval(tmp_path: Path, kim: Path, options: str, counts: bool):
    """The lines beside it stand; a byte order mark and CRLF of an editor change nothing."""
    public = kim.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    file = tmp_path / "signers"
    file.write_bytes(f"\ufeff# keys\r\nKim {options} {public}\r\nLee {public}\r\n".encode())

    assert [f"{name} {public}" for name in ("Kim", "Lee") if counts or name == "Lee"] == list(signers_in(file))


@pytest.mark.parametrize(
    "options", ['valid-before="20200101"', 'valid-after="20990101"', "cert-authority", 'namespaces="git",valid-before="20200101"']
)
def test_a_limit_that_nobody_looks_at_is_refused(tmp_path: Path, kim: Path, options: str):
    """A key that ran out must not go on signing because its limit was passed over."""
    file = tmp_path / "signers"
    file.write_text(f"Lee {kim.with_suffix('.pub').read_text()}Kim {options} {kim.with_suffix('.pub').read_text()}")
    with pytest.raises(ConfigError, match=r"line 2 of .* has the option (valid-|cert-)"):
        signers_in(file)


@pytest.mark.parametrize("line", ["Kim", "Kim ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "Kim ssh-ed25519 AAAA", "ssh-ed25519 AAAA"])
def test_a_line_that_names_no_signer_is_a_fault_of_the_configuration(tmp_path: Path, line: str):
    """With its number."""
    file = tmp_path / "signers"
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(ConfigError, match="line 2"):
        signers_in(file)


@pytest.mark.parametrize("content", ["", "# Kim left\n\n", 'Kim namespaces="git" {public}'])
def test_a_file_that_lists_nobody_does_not_mean_that_nobody_has_to_sign(tmp_path: Path, kim: Path, content: str):
    """Emptied, only remarks, or keys for something else."""
    file = tmp_path / "signers"
    file.write_text(content.format(public=kim.with_suffix(".pub").read_text()))
    with pytest.raises(ConfigError, match="lists nobody"):
        signers_in(file)


def test_a_key_that_cannot_be_used_is_said_without_its_content(tmp_path: Path):
    """Missing, another kind, protected by a passphrase, no key at all."""
    text = tmp_path / "text"
    text.write_text("secret words")
    for path in (tmp_path / "none", key(tmp_path, "rsa", "rsa"), key(tmp_path, "locked", passphrase="open sesame"), text):
        with pytest.raises(UsageError, match="--key") as refused:
            sign(path, MESSAGE)
        assert "secret" not in str(refused.value)


def test_a_key_under_two_names_is_no_second_person(tmp_path: Path, kim: Path):
    """OpenSSH takes several names on a line, and a key on several lines; another spelling of one name is the same person."""
    file = tmp_path / "signers"
    for text in (listed(kim, "kim,kim.doe"), listed(kim) + listed(kim, "lee")):
        file.write_text(text)
        with pytest.raises(ConfigError, match="have the same key"):
            demand_own_keys(signers_in(file))
    file.write_text(listed(kim) + listed(kim, "KIM") + listed(key(tmp_path, "lee"), "lee"))
    demand_own_keys(signers_in(file))
