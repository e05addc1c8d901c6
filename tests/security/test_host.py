"""What is kept is for its owner alone, and the unit file gives the service nothing that it does not need."""

from __future__ import annotations

import configparser
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from http_service import service

UNIT = Path(__file__).parents[2] / "examples" / "systemd" / "jobsight.service"
BEAT = {"type": "heartbeat", "job_id": "a"}


class _Lists(dict[str, str]):
    """A unit file may name a setting twice: the values belong together."""

    def __setitem__(self, key: str, value: str) -> None:
        if key in self and isinstance(value, list):
            value = [*self[key], *value]
        super().__setitem__(key, value)


def settings_of(unit: Path) -> dict[str, str]:
    """The settings of the section [Service]."""
    parser = configparser.RawConfigParser(strict=False, dict_type=_Lists)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return dict(parser["Service"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("StateDirectory", "jobsight"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("CapabilityBoundingSet", ""),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallArchitectures", "native"),
    ],
)
def test_the_unit_file_keeps_the_service_in(name: str, value: str) -> None:
    """No root, no capabilities, one writable folder."""
    assert value == settings_of(UNIT)[name]


def test_the_unit_file_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """Where systemd is there to be asked: every setting is known to it. The program's place is that of this machine."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "jobsight.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/jobsight", "/bin/true"))
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=30)
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "jobsight.service:" in line]

    assert [] == about_it


def test_everything_in_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Files, folder and control socket; the socket is gone after the end."""
    with service(tmp_path) as running:
        running.post(BEAT)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [running.data, *running.data.rglob("*")]}

    assert {"data": 0o700, **dict.fromkeys(modes.keys() - {"data"}, 0o600)} == modes
    assert "control.sock" in modes
    assert not (tmp_path / "data" / "control.sock").exists()
