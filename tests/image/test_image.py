"""The image as a cluster runs it: any user, no right, nothing writable but what is mounted, the manifest's arguments."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from syncd import __version__
from tests.acceptance.company import Company, wait_until
from tests.deploy.manifests import Manifest, one, overlay
from tests.image.store import IMAGE, ROOT, RUNC, SOURCE, Store
from tests.ports import free_port

pytestmark = pytest.mark.timeout(900)

#: Who the cluster lets it run as: a number that nobody knows, in group 0, as some distributions choose it.
USER = 54321

#: What the image was before, in MB, on the same base: a quarter less was promised, half is held.
MB_BEFORE = 288

#: Where its size stands for whoever plans with it.
SIZING = ROOT / "docs" / "how-to" / "kubernetes.md"


@pytest.fixture
def pod(company: Company) -> dict[Path, str]:
    """What the manifest mounts: configuration, secrets and state of a small company, owned by the cluster's user."""
    folder = company.folder / "pod"
    places = {folder / "config": "/etc/syncd", folder / "secrets": "/run/secrets/syncd", folder / "state": "/var/lib/syncd"}
    for place in places:
        place.mkdir(parents=True)
    company.staff(5)
    company.configure(
        {
            "mode": "enforce",
            "http.listen": f"127.0.0.1:{free_port()}",
            "http.trigger_token_file": None,
            "directory.file.path": "/etc/syncd/people.csv",
            "zoom.client_secret_file": "/run/secrets/syncd/zoom-secret",
            "ledger": None,
            "reports.directory": "/var/lib/syncd/reports",
        }
    )
    shutil.copy(company.config, folder / "config" / "syncd.yaml")
    shutil.copy(company.people, folder / "config" / "people.csv")
    shutil.copy(company.folder / "zoom-secret", folder / "secrets" / "zoom-secret")
    for place in (folder, *folder.rglob("*")):
        os.chown(place, USER, 0)
    return places


def container(name: str) -> Manifest:
    """A container of the daemon's pod, by its name."""
    spec = one(overlay("report-only"), "Deployment")["spec"]["template"]["spec"]
    return next(each for each in [*spec["initContainers"], *spec["containers"]] if each["name"] == name)


def environment(of: Manifest) -> dict[str, str]:
    """Its variables."""
    return {each["name"]: each["value"] for each in of["env"]}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.kerberos"])
def test_the_dockerfile_passes_the_linter(name: str) -> None:
    """hadolint; nothing is switched off but, in the variant, the versions of Debian's packages."""
    ran = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / name], capture_output=True, text=True, check=False, timeout=60
    )

    assert (0, "") == (ran.returncode, ran.stdout)


def test_it_says_what_it_is(image: Store) -> None:
    """A numeric user, the program without a shell in front of it, SIGTERM, labels, and no trace of the builder's CA."""
    inspected = image.inspect(IMAGE)
    config = inspected["Config"]

    assert ("10001:10001", ["syncd"], ["run"], "SIGTERM") == tuple(
        config[key] for key in ("User", "Entrypoint", "Cmd", "StopSignal")
    )
    assert {
        "title": "syncd",
        "licenses": "Apache-2.0",
        "version": SOURCE.version,
        "revision": SOURCE.revision,
        "source": SOURCE.url,
    }.items() <= {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}.items()
    assert [] == [value for value in config["Env"] if "CERT" in value]
    assert f"syncd, version {__version__}" == image.run(["--version"]).stdout.strip()


def test_it_is_small(image: Store) -> None:
    """Half of what it was, all layers counted, and as the docs say by part; no compiler, no pip, no tests."""
    size = image.inspect(IMAGE)["Size"] / 1e6
    told = re.search(r"The image is (\d+) MB .*?: ([^:.]*)[;.]", SIZING.read_text(encoding="utf-8"), re.DOTALL)
    assert told is not None
    found = image.run(
        ["-I", "-c", "import importlib.util as u; print([m for m in ('pip', 'pytest', 'mypy') if u.find_spec(m)])"],
        entrypoint="/opt/syncd/bin/python",
    )

    assert size < MB_BEFORE / 2
    assert size == pytest.approx(float(told[1]), abs=3)
    assert size == pytest.approx(sum(map(float, re.findall(r"\b(\d+)\b", told[2]))), abs=6)
    assert ("[]", "") == (found.stdout.strip(), found.stderr)


def test_nothing_of_the_base_is_there_but_python_and_what_it_stands_on(image: Store) -> None:
    """No shell, no package manager, nothing that gives rights; Python's own library is compiled, certificates and time zones are
    read; what was taken is listed by package, for scanners."""
    ask = (
        "import os, pathlib, ssl, zoneinfo\n"
        "files = [pathlib.Path(at, name) for at, _, names in os.walk('/', onerror=None) for name in names"
        " if not at.startswith(('/proc', '/sys', '/dev'))]\n"
        "print(sorted({one.name for one in files if one.parent.name in ('bin', 'sbin')}))\n"
        "print([str(one) for one in files if not one.is_symlink() and one.exists() and one.stat().st_mode & 0o6000])\n"
        "print(os.path.exists(ssl.__cached__), len(ssl.create_default_context().get_ca_certs()) > 50)\n"
        "print(zoneinfo.ZoneInfo('Europe/Zurich'), {'libc6', 'libssl3'} <= set(os.listdir('/var/lib/dpkg/status.d')))\n"
        "print(open('/var/lib/dpkg/status.d/libssl3').readline().strip())\n"
    )
    ran = image.run(["-I", "-c", ask], entrypoint="/opt/syncd/bin/python")
    programs, rights, *rest = ran.stdout.splitlines()

    assert "" == ran.stderr
    assert {"python3", "python3.11", "python", "syncd"} <= set(ast.literal_eval(programs))
    assert set() == {"sh", "bash", "apt", "apt-get", "dpkg", "perl", "gcc", "pip"} & set(ast.literal_eval(programs))
    assert "[]" == rights
    assert ["True True", "Europe/Zurich True", "Package: libssl3"] == rest


def test_nothing_is_missing_that_was_left_out_of_libraries(image: Store) -> None:
    """Every module of syncd can be imported there, both databases opened, and a table drawn as on a terminal."""
    ask = (
        "import importlib, io, pkgutil, syncd\n"
        "names = [one.name for one in pkgutil.walk_packages(syncd.__path__, 'syncd.') if not one.name.endswith('__main__')]\n"
        "for name in names:\n"
        "    importlib.import_module(name)\n"
        "import psycopg, sqlite3\n"
        "print(len(names) > 200, sqlite3.connect(':memory:').execute('SELECT 1').fetchone(), psycopg.pq.__impl__)\n"
        "from rich.console import Console\n"
        "from rich.table import Table\n"
        "Console(file=io.StringIO(), force_terminal=True).print(Table('x'))\n"
    )
    ran = image.run(["-I", "-c", ask], entrypoint="/opt/syncd/bin/python")

    assert (0, "True (1,) binary") == (ran.returncode, ran.stdout.strip()), ran.stderr


def test_it_has_no_right_and_may_write_nowhere(image: Store) -> None:
    """Asked from inside: an unknown user, no capability, no new privilege, a filter on system calls, a read-only root."""
    code = (
        "import os\n"
        "print(open('/proc/self/status').read())\n"
        "for path in ('/', '/opt/syncd', '/var/lib/syncd', '/etc', '/usr/bin', '/run'):\n"
        "    print(path, os.access(path, os.W_OK))\n"
    )
    ran = image.run(["-I", "-c", code], entrypoint="/opt/syncd/bin/python")
    status = dict(re.findall(r"(?m)^(\w+):\t(.*)$", ran.stdout))

    assert [str(USER)] * 4 == status["Uid"].split()
    assert {"0000000000000000"} == {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
    assert {"False"} == set(re.findall(r"(?m)^/\S* (True|False)$", ran.stdout))


def test_the_init_container_finds_what_is_wrong(image: Store, pod: dict[Path, str]) -> None:
    """With the manifest's arguments: 0 when all is there; 2, naming the file, when a secret is not."""
    check = container("check")
    good = image.run(check["args"], mounts=pod, environment=environment(check))
    (next(place for place in pod if place.name == "secrets") / "zoom-secret").unlink()
    bad = image.run(check["args"], mounts=pod, environment=environment(check))

    assert 0 == good.returncode, good.stderr
    assert "ok    configuration: valid, mode enforce" == good.stdout.splitlines()[0]
    assert "fail" not in good.stdout
    assert 2 == bad.returncode
    assert "zoom.client_secret_file" in bad.stderr


def test_the_daemon_runs_reconciles_and_ends_on_sigterm(image: Store, pod: dict[Path, str], company: Company) -> None:
    """The manifest's arguments, probes and memory; a leaver is locked out; SIGTERM ends it with 0; nothing else was written."""
    syncd = container("syncd")
    (people,) = (place / "people.csv" for place in pod if place.name == "config")
    url = f"http://{company.settings['http']['listen']}"
    started = image.run(
        syncd["args"],
        name="daemon",
        mounts=pod,
        environment=environment(syncd),
        memory=syncd["resources"]["limits"]["memory"].replace("Mi", "m"),
    )
    assert 0 == started.returncode, started.stderr
    try:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            wait_until(
                lambda path=syncd[probe]["httpGet"]["path"]: _status(url + path) == 200,
                f"{probe} is answered",
                alive=lambda: _running(image),
            )
        wait_until(lambda: _cycles(image), "a cycle ended")
        company.leaves("p001")
        shutil.copy(company.people, people)
        assert 0 == image("podman", f"--runtime={RUNC}", "exec", "daemon", "syncd", "check").returncode
        began = time.monotonic()
        stopped = image("podman", "stop", "--time=30", "daemon")
        took = time.monotonic() - began
        changed = image("podman", "diff", "daemon").stdout
        code = image("podman", "inspect", "--format={{.State.ExitCode}}", "daemon").stdout.strip()
        logs = image("podman", "logs", "daemon")
    finally:
        image("podman", "rm", "--force", "--time=0", "daemon")

    assert (0, "0") == (stopped.returncode, code), logs.stdout + logs.stderr
    assert took < 15
    assert "Traceback" not in logs.stdout + logs.stderr
    assert [] == [line for line in changed.splitlines() if not re.fullmatch(r"[CA] /(etc|run|tmp|var|proc|sys|dev)\b.*", line)]
    accepted(image, pod)
    done = image.run(["apply"], mounts=pod, environment=environment(syncd))
    assert 0 == done.returncode, done.stderr
    assert "inactive" == company.status("p001")


def test_the_monthly_report_comes_out_of_the_manifest_s_command(image: Store, pod: dict[Path, str]) -> None:
    """The CronJob's own command and arguments, on a ledger that knows one cycle."""
    syncd = container("syncd")
    accepted(image, pod)
    assert 0 == image.run(["apply"], mounts=pod, environment=environment(syncd)).returncode
    report = one(overlay("report-only"), "CronJob", "syncd-evidence")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    mounts = {place: path for place, path in pod.items() if place.name != "secrets"}
    entrypoint, *flags = report["command"]
    ran = image.run(
        [*flags, *report["args"]], entrypoint=entrypoint, mounts=mounts, environment=environment(report), memory="1024m"
    )

    assert 0 == ran.returncode, ran.stderr
    (state,) = (place for place in pod if place.name == "state")
    (written,) = (state / "evidence").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d\.html", written.name)
    assert "<html" in written.read_text(encoding="utf-8")


def accepted(image: Store, pod: dict[Path, str]) -> None:
    """A ledger that begins with mode enforce changes nothing until a person says that it may."""
    said = image.run(
        ["ledger", "accept", "--by", "Ann Lee", "--because", "the first start"],
        mounts=pod,
        environment=environment(container("syncd")),
    )
    assert 0 == said.returncode, said.stderr


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def _running(image: Store) -> bool:
    return image("podman", "inspect", "--format={{.State.Running}}", "daemon").stdout.strip() == "true"


def _cycles(image: Store) -> list[str]:
    logs = image("podman", "logs", "daemon")
    return re.findall(r'"event": ?"cycle.finished"', logs.stdout + logs.stderr)
