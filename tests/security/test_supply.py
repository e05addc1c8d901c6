"""What is installed is what was locked: every package by its hash, from wherever it may be fetched."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_its_hashes(name: str) -> None:
    """And one version."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]

    assert len(packages) > 10
    assert [] == [
        line[:60] for line in packages if not re.match(r"[a-z0-9_.\[\]-]+==\S+.* --hash=sha256:[0-9a-f]{64}", line)
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_registry(name: str) -> None:
    """Where packages come from is a matter of whoever installs."""
    lines = (ROOT / name).read_text().splitlines()

    assert [] == [line for line in lines if "://" in line and not line.lstrip().startswith("#")]
    assert [] == [line for line in lines if line.lstrip("# ").startswith(("--index", "--extra-index", "-i "))]


def test_installation_asks_for_the_hashes() -> None:
    """The lock is no decoration."""
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


def test_what_a_wheel_is_made_of_can_be_listed(tmp_path: Path) -> None:
    """Every locked package with its version and hashes, and what the pages load: as CycloneDX, which scanners read."""
    subprocess.run(["make", "sbom", f"INTO={tmp_path}"], cwd=ROOT, check=True, capture_output=True)
    python, pages = (json.loads(path.read_text()) for path in sorted(tmp_path.iterdir(), reverse=True))
    locked = dict(re.findall(r"(?m)^([a-z0-9._-]+)(?:\[.*\])?==([^\s;]+)", (ROOT / "requirements.lock").read_text()))
    wanted = json.loads((ROOT / "ui" / "package.json").read_text())["dependencies"]

    assert {"CycloneDX"} == {python["bomFormat"], pages["bomFormat"]}
    assert locked == {one["name"]: one["version"] for one in python["components"]}
    assert all(one["externalReferences"][0]["hashes"] for one in python["components"])
    assert wanted.items() <= {one["name"]: one["version"] for one in pages["components"]}.items()
