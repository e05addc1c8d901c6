"""What is wrong with the channels of a file is said along with everything else."""

from __future__ import annotations

from pathlib import Path

from http_service import jobsight

WRONG = """[server]
listn = "127.0.0.1:1"
[channels.ops]
type = "slak"
[channels.hook]
type = "webhook"
urll = "https://hooks.example.org"
[channels.chat]
type = "slack"
url = "${NOT_SET_ANYWHERE}"
colour = "red"
"""

UNSET = '[channels.chat]\ntype = "slack"\nurl = "${NOT_SET_ANYWHERE}"\n'


def lines_and_words(stderr: str, file: Path) -> list[tuple[str, str]]:
    """The place and the setting of each fault."""
    faults = [line.removeprefix("jobsight: ").replace(f"{file}, ", "") for line in stderr.splitlines()]
    return [(place, rest.split()[0].rstrip(":")) for place, _, rest in (one.partition(": ") for one in faults)]


def test_every_channel_is_looked_at_along_with_the_settings(tmp_path: Path) -> None:
    """A wrong type, an unknown field and a field beside a variable that is not set: all at once, each with its line."""
    file = tmp_path / "jobsight.toml"
    file.write_text(WRONG)
    started = jobsight("serve", "--config", file, "--data", tmp_path / "data")

    assert 78 == started.returncode
    assert [
        ("line 2", "server.listn"),
        ("line 4", "channels.ops.type"),
        ("line 5", "channels.hook"),
        ("line 10", "channels.chat.url"),
        ("line 8", "channels.chat"),
    ] == lines_and_words(started.stderr, file)
    assert not (tmp_path / "data").exists()


def test_a_file_is_validated_where_its_secrets_are_not(tmp_path: Path) -> None:
    """A pipeline has no secrets: a variable that is missing there is named, and everything else is checked."""
    file = tmp_path / "jobsight.toml"
    file.write_text(UNSET)
    sound = jobsight("config", "validate", file)
    started = jobsight("serve", "--config", file, "--data", tmp_path / "data")
    file.write_text(WRONG)
    wrong = jobsight("config", "validate", file)

    assert (0, "all settings are good\n") == (sound.returncode, sound.stdout)
    assert "NOT_SET_ANYWHERE" in sound.stderr
    assert 78 == started.returncode
    assert 78 == wrong.returncode
    assert ("line 8", "channels.chat") in lines_and_words(wrong.stderr, file)


MAIL_SERVER = """notify = ["mailto:ana@example.org", "mailto:nobody"]
[smtp]
hots = "mail.example.org"
port = 70000
tls = "maybe"
from = "jobsight"
password = "${NOT_SET_ANYWHERE}"
"""


def test_the_mail_server_is_looked_at_setting_by_setting(tmp_path: Path) -> None:
    """A slip in [smtp] is said with its line, also beside a variable that is not set, and before a mail is to be sent."""
    file = tmp_path / "jobsight.toml"
    file.write_text(MAIL_SERVER)
    validated = jobsight("config", "validate", file)
    started = jobsight("serve", "--config", file, "--data", tmp_path / "data")
    file.write_text(MAIL_SERVER.partition("\n")[2])
    unused = jobsight("config", "validate", file)
    wrong = [("line 3", "smtp.hots"), ("line 4", "smtp.port"), ("line 5", "smtp.tls"), ("line 6", "smtp.from")]
    missing = ("line 7", "smtp.password")

    assert (78, 78, 78) == (validated.returncode, started.returncode, unused.returncode)
    assert [*wrong, missing, ("line 1", "channels.notify-2.to")] == lines_and_words(started.stderr, file)
    assert "NOT_SET_ANYWHERE" in validated.stderr.splitlines()[0]
    assert [*wrong, ("line 1", "channels.notify-2.to")] == lines_and_words(validated.stderr.split("\n", 1)[1], file)
    assert ["smtp.hots", "smtp.port", "smtp.tls", "smtp.from"] == [
        name for _, name in lines_and_words(unused.stderr, file)
    ]
    assert "did you mean smtp.host?" in started.stderr
