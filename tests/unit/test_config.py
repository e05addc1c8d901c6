"""Settings from flags, environment and file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from jobsight.config.keys import KEYS
from jobsight.config.load import find_file, load
from jobsight.config.settings import Address, Settings
from jobsight.config.show import lines_of
from jobsight.errors import ConfigError


def load_text(
    folder: Path, text: str, environment: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    """The settings of a file with this text."""
    file = folder / "jobsight.toml"
    file.write_text(text)
    return load(flags or {}, environment or {}, file).settings


def faults_of(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a file with this text, without the file's path."""
    with pytest.raises(ConfigError) as refused:
        load_text(folder, text, environment)
    return [line.replace(f"{folder}/", "") for line in str(refused.value).splitlines()]


def test_nothing_has_to_be_set() -> None:
    """The defaults are a working monitor on loopback."""
    loaded = load({}, {}, None)

    assert Settings() == loaded.settings
    assert {"default"} == set(loaded.origins.values())


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each value comes from the nearest place that sets it, and its origin is known."""
    file = tmp_path / "jobsight.toml"
    file.write_text('[server]\nlisten = "127.0.0.1:1"\ntls_cert = "c"\ntls_key = "k"\n[jobs]\nmax_retries = 1\n')
    environment = {"JOBSIGHT_LISTEN": "127.0.0.1:2", "JOBSIGHT_JOBS_MAX_RETRIES": "2", "PATH": "/bin"}
    loaded = load({"server.listen": "127.0.0.1:3"}, environment, file)

    assert Address("127.0.0.1", 3) == loaded.settings.server.listen
    assert 2 == loaded.settings.jobs.max_retries
    assert Path("c") == loaded.settings.server.tls_cert
    assert ("flag --listen", "JOBSIGHT_JOBS_MAX_RETRIES", f"{file}, line 3", "default") == tuple(
        loaded.origins[path] for path in ("server.listen", "jobs.max_retries", "server.tls_cert", "data.dir")
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "[server]\n\nlistne = 'x'",
            "jobsight.toml, line 3: server.listne: there is no such setting; did you mean server.listen?",
        ),
        ("[sever]\nlisten = 'x:1'", "jobsight.toml, line 1: sever: there is no such setting; did you mean server?"),
        ("listen = 'x:1'", "jobsight.toml, line 1: listen: there is no such setting; did you mean server.listen?"),
        ("server = 5", "jobsight.toml, line 1: server: expected a table, [server]"),
        (
            "server.listen = 'x'",
            'jobsight.toml, line 1: server.listen: expected HOST:PORT, for example 127.0.0.1:8787 or [::1]:8787, got "x"',
        ),
        ("[server]\nlisten = 'x:70000'", "jobsight.toml, line 2: server.listen: expected HOST:PORT"),
        ("[server]\nlisten = '::1:80'", "jobsight.toml, line 2: server.listen: expected HOST:PORT"),
        ("[server]\nlog_requests = 1", "jobsight.toml, line 2: server.log_requests: expected true or false, got 1"),
        (
            "[server]\ntrusted_proxies = ['10.0.0.1/8']",
            "jobsight.toml, line 2: server.trusted_proxies: expected a list of addresses",
        ),
        (
            "[server.limits]\nconnections = 1.5",
            "jobsight.toml, line 2: server.limits.connections: expected a whole number",
        ),
        (
            "[server.limits]\nconnections = true",
            "jobsight.toml, line 2: server.limits.connections: expected a whole number",
        ),
        ("[jobs]\nsilence = 5", "jobsight.toml, line 2: jobs.silence: expected a duration"),
        ("[jobs]\nsilence = '0s'", "jobsight.toml, line 2: jobs.silence: expected a duration"),
        ("notify = 'nothing'", "jobsight.toml, line 1: notify: expected a list of URLs"),
        (
            "notify = ['mailto:ana@example.org', 'nothing']",
            "jobsight.toml, line 1: notify: expected a list of URLs such as mailto:me@example.org or https://...; number 2",
        ),
        ("notify = ['mailto:ana@example.org', 3]", "jobsight.toml, line 1: notify: expected a list of texts, got 3"),
        ("[server]\ntls_cert = 'a'", "jobsight.toml, line 2: server.tls_cert: expected server.tls_key beside it"),
        ("[server]\na = [1,\n2", "jobsight.toml, line 3: "),
        ("[server]\n[server]", "jobsight.toml, line 2: "),
    ],
)
def test_a_fault_has_its_place_and_what_was_expected(tmp_path: Path, text: str, fault: str) -> None:
    """The line in the file, the name that was probably meant, the value that came."""
    faults = faults_of(tmp_path, text)

    assert 1 == len(faults)
    assert faults[0].startswith(fault)


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    """Nobody mends a file fault by fault, from start to start."""
    text = "[server]\nlisten = 'x'\nnonsense = 1\n[jobs]\nmax_retries = -1\n"

    assert 5 == len(faults_of(tmp_path, text, {"JOBSIGHT_LISTEN": "y", "JOBSIGHT_JOBS_SILENC": "1h"}))


@pytest.mark.parametrize("name", ["JOBSIGHT_SERVER", "JOBSIGHT_TOKEN", "JOBSIGHT_CONFIG", "JOBSIGHT_SPOOL", "LISTEN"])
def test_variables_of_other_parts_are_left_in_peace(name: str) -> None:
    """Clients have variables of their own."""
    assert Settings() == load({}, {name: "anything"}, None).settings


def test_a_secret_can_come_from_the_environment(tmp_path: Path) -> None:
    """`${NAME}` in a secret is replaced; a name that is not set is a fault that does not show the rest."""
    text = 'notify = ["https://hooks.example.org/${PATH_PART}/x"]'

    assert ("https://hooks.example.org/s3cr3t/x",) == load_text(tmp_path, text, {"PATH_PART": "s3cr3t"}).notify
    assert ["jobsight.toml, line 1: notify: refers to ${PATH_PART}, which is not set in the environment"] == faults_of(
        tmp_path, text
    )


def test_what_is_shown_has_no_secret(tmp_path: Path) -> None:
    """Every setting has a line, in the form in which it could be written."""
    loaded = load({"notify": ("https://u:s3cr3t@h.example/s3cr3t",), "jobs.silence": "90m"}, {}, None)
    lines = list(lines_of(loaded, has_origin=True))

    assert len(KEYS) == len(lines)
    assert not [line for line in lines if "s3cr3t" in line]
    assert [line for line in lines if line.startswith('jobs.silence = "90m"') and line.endswith("# flag --silence")]


def test_channels_and_the_mail_server_are_shown_without_secrets(tmp_path: Path) -> None:
    """Whoever looks for a setting finds it with its line; of a channel, only what can be no secret, and references to one."""
    file = tmp_path / "jobsight.toml"
    file.write_text("""[smtp]
host = "mail.example.org"
port = 587
password = "s3cr3t"
[channels.ops]
type = "webhook"
url = "https://h.example/s3cr3t"
secret = "${HOOK_SECRET}"
headers = {Authorization = "s3cr3t"}
proxy = "${USER}:s3cr3t"
[channels."on call"]
type = "slack"
""")
    loaded = load({}, {}, file)
    shown = [line.split("  #") for line in lines_of(loaded, has_origin=True)][len(KEYS) :]

    assert [
        ('smtp.host = "mail.example.org"', "line 2"),
        ("smtp.port = 587", "line 3"),
        ('smtp.password = "***"', "line 4"),
        ('channels.ops.type = "webhook"', "line 6"),
        ('channels.ops.url = "***"', "line 7"),
        ('channels.ops.secret = "${HOOK_SECRET}"', "line 8"),
        ('channels.ops.headers = "***"', "line 9"),
        ('channels.ops.proxy = "***"', "line 10"),
        ('channels."on call".type = "slack"', "line 12"),
    ] == [(text.rstrip(), origin.rpartition(", ")[2]) for text, origin in shown]


def test_every_setting_can_be_set_by_a_variable_of_its_own() -> None:
    """No two settings share a name, and each leads to a field."""
    assert len(KEYS) == len({key.variable for key in KEYS})
    for key in KEYS:
        value: object = Settings()
        for name in key.field.split("."):
            value = getattr(value, name)


def test_the_file_is_looked_for_where_it_is_expected(tmp_path: Path) -> None:
    """The one that is named, else the variable's, else the first that is there."""
    first, second = tmp_path / "a", tmp_path / "b"
    second.mkdir()
    (second / "jobsight.toml").touch()

    assert Path("named") == find_file(Path("named"), {"JOBSIGHT_CONFIG": "other"}, [first, second])
    assert Path("other") == find_file(None, {"JOBSIGHT_CONFIG": "other"}, [first, second])
    assert second / "jobsight.toml" == find_file(None, {}, [first, second])
    assert find_file(None, {}, [first]) is None
