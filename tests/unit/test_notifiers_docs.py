"""The pages about channels say what the code does."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobsight.notifiers import webhook
from jobsight.notifiers.base import Making, Notification
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.registry import KINDS, channel_from_table
from jobsight.notifiers.settings import ChannelSettings, HttpSettings
from jobsight.testing.notifiers import NOW_MS, a_notification

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/howto/channels").glob("*.md"))
REFERENCE = (ROOT / "docs/reference/channels.md").read_text()

ENVIRONMENT = {
    "HOOK_URL": "https://hooks.example.org/jobs",
    "SLACK_URL": "https://hooks.slack.com/services/T/B/X",
    "MATTERMOST_URL": "https://chat.example.org/hooks/x",
    "NTFY_URL": "https://ntfy.sh/your-topic",
    "TELEGRAM_BOT": "123456789:abcdefg_hijklmnop",
    "TELEGRAM_CHAT": "12315544",
}


def settings_in(heading: str) -> set[str]:
    """The settings that the first table under a heading of the reference lists."""
    section = REFERENCE.split(heading, 1)[1].split("\n#", 1)[0].split("\n\nOf every type that", 1)[0]
    return set(re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE))


def names_of(kind: type[msgspec.Struct]) -> set[str]:
    return {setting.encode_name for setting in msgspec.structs.fields(kind)}


@pytest.mark.parametrize("name", list(KINDS))
def test_every_setting_of_a_channel_is_in_the_reference(name: str) -> None:
    """An operator finds each setting, and finds none that does nothing."""
    kind = KINDS[name].settings
    shared = HttpSettings if issubclass(kind, HttpSettings) else ChannelSettings

    assert names_of(kind) - names_of(shared) == settings_in(f"### {name}\n")


def test_shared_settings_and_fields_are_in_the_reference() -> None:
    """What every channel has, and what a template can use."""
    assert names_of(ChannelSettings) | {"type"} == settings_in("Of every type:\n")
    assert names_of(HttpSettings) - names_of(ChannelSettings) == settings_in("`ntfy`):\n")
    assert names_of(Notification) == settings_in("## What a notification holds\n")


def snippets() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for page in PAGES:
        for snippet in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
            tables: dict[str, dict[str, Any]] = tomllib.loads(snippet)["channels"]
            found += [(f"{page.stem}-{name}", table) for name, table in tables.items()]
    return found


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in snippets()])
def test_every_snippet_makes_a_channel(table: dict[str, Any], tmp_path: Path) -> None:
    """What stands in a how-to can be copied."""
    if table["type"] == "apprise":
        pytest.importorskip("apprise")
    (tmp_path / "file").write_text("content\n")
    here = {
        key: f"file:{tmp_path}/file" if isinstance(value, str) and value.startswith("file:") else value
        for key, value in table.items()
    }
    names = re.findall(r"\$\{(\w+)\}", str(table))

    channel = channel_from_table(here, Making(name="here", environment={**dict.fromkeys(names, "any"), **ENVIRONMENT}))
    assert "here" == channel.name


def test_every_type_has_a_how_to() -> None:
    """Each type is shown at work on a page."""
    assert set(KINDS) == {table["type"] for _, table in snippets()}


def verifier() -> Any:
    return runpy.run_path(str(ROOT / "examples/verify_webhook.py"))["is_genuine"]


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "any text at all"])
def test_the_example_verifies_what_is_sent(secret: str) -> None:
    """Ten lines tell a genuine request from a changed body, another secret, and one that was replayed later."""
    settings = webhook.WebhookSettings(url=Secret("https://a.example/"), secret=Secret(secret))
    texts = webhook.Texts(title="t", text="t")
    post = webhook.signed_event(settings, a_notification(), texts, source="s", now_ms=NOW_MS)
    is_genuine, now_s = verifier(), NOW_MS // 1000

    assert is_genuine(post.headers, post.body, secret, now_s)
    assert not is_genuine(post.headers, post.body + b" ", secret, now_s)
    assert not is_genuine(post.headers, post.body, secret[:-4] + "AAAA", now_s)
    assert not is_genuine(post.headers, post.body, secret, now_s + 301)


def test_the_page_shows_the_example_as_it_is() -> None:
    """The how-to and the file do not part."""

    def code(text: str) -> list[str]:
        body = text.split("def is_genuine", 1)[1].split("```")[0]
        lines = re.sub(r'""".*?"""\n', "", body, flags=re.DOTALL).replace("TOLERANCE_SECONDS", "300").split("\n")
        return [line.strip() for line in lines if line.strip()]

    page = (ROOT / "docs/howto/channels/webhook.md").read_text()
    assert code(page) == code((ROOT / "examples/verify_webhook.py").read_text())
