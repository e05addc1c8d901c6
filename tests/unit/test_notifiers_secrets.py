"""A channel's secrets: looked up at the last moment, shown nowhere."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Making
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.references import FILE_BYTES_MAX, holds_reference, resolve, resolve_all
from jobsight.notifiers.registry import KINDS, channel_from_table, channel_from_url
from jobsight.notifiers.settings import settings_from
from jobsight.notifiers.webhook import WebhookSettings

SECRETS = st.text(st.characters(exclude_characters="*", exclude_categories=("Cs",)), min_size=6, max_size=40)
ENVIRONMENT = {"HOOK": "https://hooks.example.org/abc", "EMPTY": ""}


@given(SECRETS, st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=30)
def test_a_secret_is_hidden_in_every_form(secret: str, before: str, after: str) -> None:
    """As it is, percent-encoded, in base64, in JSON, as Python shows it: no form of a secret leaves the channel."""
    mask = Mask([Secret(secret)])
    forms = (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret),
        repr(secret),
        b64encode(secret.encode()).decode(),
    )
    for form in forms:
        assert secret not in mask.hide(f"{before} {form} {after}")
        assert form.strip("\"'") not in mask.hide(f"{before} {form} {after}")


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=30))
@settings(max_examples=30)
def test_every_part_of_a_secret_url_is_hidden(part: str) -> None:
    """User, password, path and query of a channel's URL are secrets, alone as well; its host is not."""
    url = f"https://{part}u:{part}p@hooks.example.org/x/{part}s?token={part}q"
    mask = Mask([Secret(url)])
    text = f"{part}u {part}p /x/{part}s {part}q {url} hooks.example.org"

    assert part not in mask.hide(text)
    assert "hooks.example.org" in mask.hide(text)


def test_a_secret_shows_itself_to_nobody_by_accident() -> None:
    """Printed, formatted, or inside of settings, a secret is three stars."""
    made = settings_from(
        WebhookSettings,
        {"url": "https://a.example/hidden", "headers": {"Authorization": "hidden"}, "secret": "hidden"},
        where="channels.ops",
    )

    assert "hidden" not in f"{made} {made!r} {made.secret} {made.secret!s:>9}"
    assert "hidden" == (made.secret or Secret("")).reveal()
    assert made.secret == Secret("hidden")
    assert 1 == len({Secret("a"), Secret("a")})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("https://hooks.example.org/abc", "${HOOK}"),
        ("a https://hooks.example.org/abc b", "a ${HOOK} b"),
        ("", "${EMPTY}"),
        ("${HOOK} costs $5 {x}", "$${HOOK} costs $5 {x}"),
    ],
)
def test_references_are_replaced(value: str, text: str) -> None:
    """A secret stands in the environment, its name in the configuration."""
    assert value == resolve(text, where="channels.ops.url", environment=ENVIRONMENT)


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    """A secret that an editor or an orchestrator wrote is taken as it was meant; what it says is not read again."""
    (tmp_path / "hook").write_text("https://a.example/${HOOK}\n")

    assert "https://a.example/${HOOK}" == resolve(f"file:{tmp_path}/hook", where="x", environment=ENVIRONMENT)


def test_references_are_found_at_any_depth() -> None:
    """Headers and lists of a channel may hold references too; whether there are any is known beforehand."""
    table = {"headers": {"Authorization": "Bearer ${HOOK}"}, "to": ["${HOOK}"], "port": 25}

    assert {
        "headers": {"Authorization": "Bearer https://hooks.example.org/abc"},
        "to": ["https://hooks.example.org/abc"],
        "port": 25,
    } == resolve_all(table, where="channels.ops", environment=ENVIRONMENT)
    assert holds_reference(table)
    assert holds_reference(["file:/etc/passwd"])
    assert not holds_reference({"a": ["plain"], "b": 1})


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("${GONE}, which is not set", "${GONE}"),
        ("no name of a variable", "${A B}"),
        ("cannot be read: No such file", "file:/nowhere/at/all"),
        ("larger than 64 KiB", "file:LARGE"),
        ("not UTF-8 text", "file:BINARY"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(words: str, text: str, tmp_path: Path) -> None:
    """The operator reads which setting, which name, and why; never a value."""
    (tmp_path / "LARGE").write_bytes(b"x" * (FILE_BYTES_MAX + 1))
    (tmp_path / "BINARY").write_bytes(b"\xff")
    text = text.replace("LARGE", f"{tmp_path}/LARGE").replace("BINARY", f"{tmp_path}/BINARY")

    with pytest.raises(ConfigError) as caught:
        resolve(text, where="channels.ops.url", environment=ENVIRONMENT)
    assert "channels.ops.url" in str(caught.value)
    assert words in str(caught.value)
    assert "hooks.example.org" not in str(caught.value)


BAD_TABLES = [
    {"type": "webhook", "url": "s3cr3t-s3cr3t"},
    {"type": "webhook", "url": ["s3cr3t-s3cr3t"]},
    {"type": "webhook", "url": "https://s3cr3t-s3cr3t:bad-port/x"},
    {"type": "webhook", "url": "https://a.example/", "headers": {"X": "s3cr3t-s3cr3t\n"}},
    {"type": "webhook", "url": "https://a.example/", "headers": {"X Y": "s3cr3t-s3cr3t"}},
    {"type": "webhook", "url": "https://a.example/", "proxy": "nonsense://s3cr3t-s3cr3t@p"},
    {"type": "webhook", "url": "https://a.example/", "secret": "whsec_s3cr3t-s3cr3t"},
    {"type": "webhook", "url": "https://a.example/", "secret": "whsec_"},
    {"type": "slack", "url": "https://a.example/", "format": "s3cr3t-s3cr3t"},
    {"type": "smtp", "to": ["a@b.example"], "port": "s3cr3t-s3cr3t"},
    {"type": "smtp", "to": ["a@b.example"], "host": "mail.example.org", "password": "s3cr3t-s3cr3t"},
    {
        "type": "smtp",
        "to": ["a@b.example"],
        "tls": "none",
        "host": "m.example",
        "username": "u",
        "password": "s3cr3t-s3cr3t",
    },
    {"type": "apprise", "url": "nosuch://s3cr3t-s3cr3t"},
    {"type": "command", "command": ["x"], "environment": {"A=B": "s3cr3t-s3cr3t"}},
]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("table", BAD_TABLES, ids=lambda table: f"{table['type']}-{list(table)[-1]}")
def test_a_setting_that_does_not_fit_is_refused_without_showing_it(
    table: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in a channel's table names channel and setting, and no error or log shows what may be a secret."""
    if table["type"] == "apprise":
        pytest.importorskip("apprise")
    with pytest.raises(ConfigError) as caught:
        channel_from_table(table, Making(name="ops"))

    assert "ops" in str(caught.value) or "proxy" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in caplog.text


def test_an_unknown_type_gets_the_nearest_one_named() -> None:
    """A typing mistake is mended without the manual."""
    with pytest.raises(ConfigError, match="did you mean 'pagerduty'"):
        channel_from_table({"type": "pagerdutty"}, Making(name="ops"))
    with pytest.raises(ConfigError, match=f"known types: {', '.join(KINDS)}"):
        channel_from_table({}, Making(name="ops"))


def test_an_unknown_setting_is_refused_and_the_known_ones_are_named() -> None:
    """A setting that would be ignored silently is a page that is missed."""
    with pytest.raises(ConfigError, match=r"unknown field `ulr`; settings of this channel: .*url.*secret"):
        channel_from_table({"type": "webhook", "url": "https://a.example/", "ulr": "x"}, Making(name="ops"))


UI = Making(name="ops", is_guarded=True, environment={"AWS_SECRET": "s3cr3t"})


@pytest.mark.parametrize(
    ("words", "table"),
    [
        ("cannot be made in the UI", {"type": "command", "command": ["/bin/sh"]}),
        ("cannot be made in the UI", {"type": "apprise", "url": "json://a.example"}),
        ("cannot be made in the UI", {"type": "smtp", "to": ["a@b.example"]}),
        ("for the configuration file only", {"type": "webhook", "url": "https://a.example/${AWS_SECRET}"}),
        ("for the configuration file only", {"type": "webhook", "url": "file:/etc/passwd"}),
        ("neither ca_file nor proxy", {"type": "webhook", "url": "https://a.example/", "ca_file": "/etc/passwd"}),
        ("neither ca_file nor proxy", {"type": "webhook", "url": "https://a.example/", "proxy": "http://10.0.0.1"}),
    ],
)
def test_a_channel_from_the_ui_reads_nothing_of_this_host(words: str, table: dict[str, object]) -> None:
    """Who may use the UI may not thereby read variables and files, run commands, or reach into the house."""
    with pytest.raises(ConfigError, match=words):
        channel_from_table(table, UI)


def test_a_url_from_the_ui_is_not_resolved_either() -> None:
    """There is no second way in."""
    with pytest.raises(ConfigError, match="for the configuration file only"):
        channel_from_url("https://a.example/${AWS_SECRET}", UI)
