"""A large file is read piece by piece, and says the same as one that is read as a whole."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from jobsight.config.load import load
from jobsight.config.pieces import PIECE_TABLES, TornError, in_pieces
from jobsight.core.check import Expectation
from jobsight.errors import ConfigError

SOUND = """
[server]  # before the checks
listen = "127.0.0.1:1"

[checks.plain]
schedule = "@daily"
[checks.plain.labels]
team = "data"
  [checks."with.dot"]
heartbeat = "1m"
[ checks . 'single' ]
heartbeat = "2m"
depends_on = [
  "plain",
]

[jobs]
max_retries = 3

[checks.after]
runbook_url = "https://example.org/[checks.no]"
[checks.last]
max_runtime = "1h"
"""


@pytest.mark.parametrize("piece_tables", range(6))
def test_the_pieces_are_the_whole(piece_tables: int) -> None:
    """Wherever it is cut, with tables below checks, names in quotes, and other tables in between."""
    whole = tomllib.loads(SOUND)
    apart = in_pieces(SOUND, piece_tables)
    assert apart is not None
    beside, text, checks = apart

    assert whole == {**beside, "checks": dict(checks.items())}
    assert SOUND.count("\n") == text.count("\n")
    assert [SOUND.split("\n").index("max_retries = 3")] == [text.split("\n").index("max_retries = 3")]


@pytest.mark.parametrize(
    "text",
    [
        '[checks.a]\nowner = """\n[checks.b]\n"""\n[checks.c]\n',
        "[checks.a]\n[checks.b]\n[checks.a]\n",
        "[checks.a]\n[checks.b]\nthis is no TOML\n",
        "[checks]\nx.heartbeat = '1m'\n[checks.a]\n[checks.b]\n",
        "[checks.a.labels]\nx = '1'\n[checks.b]\n[checks.a]\nheartbeat = '1m'\n",
    ],
    ids=["a-table-within-a-string", "twice", "no-toml", "checks-written-otherwise", "in-two-places"],
)
def test_what_does_not_come_apart_is_read_as_a_whole(text: str) -> None:
    """Nothing is read otherwise because it is large: it is left to the road for small files."""

    def read() -> None:
        apart = in_pieces(text, 1)
        assert apart is not None
        list(apart[2].items())

    with pytest.raises(TornError):
        read()


def large(folder: Path, extra: str) -> Path:
    """A file that is read in pieces, and what stands at its end."""
    tables = (f'[checks.task-{number}]\nheartbeat = "1m"\n' for number in range(2 * PIECE_TABLES + 1))
    file = folder / "jobsight.toml"
    file.write_text("[jobs]\nmax_retries = 3\n" + "".join(tables) + extra)
    return file


def test_a_large_file_holds_its_settings_and_its_checks(tmp_path: Path) -> None:
    """Also where a string looks like a table, so that it has to be read as a whole after all."""
    for extra, owner in (
        ("[checks.z]\nowner = 'ana'\n", "ana"),
        ('[checks.z]\nowner = """\\\n[checks.y]"""\n', "[checks.y]"),
    ):
        settings = load({}, {}, large(tmp_path, extra)).settings

        assert 3 == settings.jobs.max_retries
        assert 2 * PIECE_TABLES + 2 == len(settings.declared.checks)
        assert Expectation(heartbeat_ms=60_000) == settings.declared.checks["task-1500"]
        assert owner == settings.declared.checks["z"].owner


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("[checks.z]\nschedul = 'x'\n", "line 4006: checks.z.schedul: there is no such field"),
        ("[checks.task-7]\n", "line 4005: Cannot declare"),
        ("[jobs]\nmax_retries = 4\n", "line 4005: Cannot declare"),
        ("[server]\nlistne = 'x'\n", "line 4006: server.listne: there is no such setting"),
    ],
)
def test_what_is_wrong_in_a_large_file_is_said_with_its_line(tmp_path: Path, extra: str, fault: str) -> None:
    """As in a small one."""
    with pytest.raises(ConfigError) as refused:
        load({}, {}, large(tmp_path, extra))

    assert fault in str(refused.value)
