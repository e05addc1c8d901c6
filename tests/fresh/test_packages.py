"""What is published (a wheel, an sdist) works where it is installed: on each Python, with the oldest and newest dependencies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from fresh.machine import ROOT, Python, installed, monitor, needs_a_whole_machine, pythons, run, samples, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_a_whole_machine]

EVERY_MODULE = """
import importlib, pkgutil, jobsight
for module in pkgutil.walk_packages(jobsight.__path__, "jobsight."):
    if not module.name.startswith("jobsight.integrations.") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


class Packages(NamedTuple):
    """What was built."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Both, built as a release builds them: the sdist from the checkout, the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("packages")
    words = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    run(*words, cwd=folder, env=surroundings(folder))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


def assert_it_works(bin_folder: Path, folder: Path) -> None:
    """From an empty folder, as an operator would: the samples, a log on disk, the service; and every module can be imported."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(elsewhere)}
    jobsight = str(bin_folder / "jobsight")
    for sent, expected in samples():
        assert expected == run(jobsight, "node", cwd=elsewhere, env=env, stdin=sent).stdout
        assert expected == run(jobsight, "node", "--data", "data", cwd=elsewhere, env=env, stdin=sent).stdout
    run(jobsight, "doctor", "--verify", "--data", "data", cwd=elsewhere, env=env)
    serve = (jobsight, "serve", "--data", "data", "--listen", "127.0.0.1:0")
    with monitor(*serve, cwd=elsewhere, env=env, data=elsewhere / "data") as tip:
        assert '"type"' in run("sh", "-c", tip, cwd=elsewhere, env=env).stdout
    run(str(bin_folder / "python"), "-I", "-c", EVERY_MODULE, cwd=elsewhere, env=env)


@pytest.mark.parametrize("python", pythons(), ids=lambda python: "{}.{}".format(*python.version))
@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
def test_the_wheel_works(packages: Packages, python: Python, resolution: str, tmp_path: Path) -> None:
    """With the newest dependencies that there are, and with the oldest that pyproject.toml allows."""
    bin_folder = installed(tmp_path, python, "--resolution", resolution, str(packages.wheel))

    assert_it_works(bin_folder, tmp_path)


@pytest.mark.parametrize("has_node", [True, False], ids=["with node", "without node"])
def test_the_sdist_works(packages: Packages, has_node: bool, tmp_path: Path) -> None:
    """Whoever installs from source gets the same, pages included, whether or not there is a Node to build them."""
    bin_folder = installed(tmp_path, pythons()[0], str(packages.sdist), has_node=has_node)

    assert_it_works(bin_folder, tmp_path)
    assert sorted(names_of(packages, tmp_path)) == sorted(
        path.name for path in bin_folder.parent.glob("lib/python*/site-packages/jobsight/web/assets/*")
    )


def test_a_clone_can_be_installed_without_node(tmp_path: Path) -> None:
    """pip on a clone builds the pages too: where there is no Node, it fetches one for the build."""
    run("git", "clone", "--quiet", str(ROOT), "clone", cwd=tmp_path, env=dict(os.environ))
    bin_folder = installed(tmp_path, pythons()[-1], str(tmp_path / "clone"), has_node=False)

    assert list(bin_folder.parent.glob("lib/python*/site-packages/jobsight/web/assets/app-*.js"))


def names_of(packages: Packages, folder: Path) -> list[str]:
    """The built pages in the wheel."""
    from zipfile import ZipFile

    with ZipFile(packages.wheel) as wheel:
        return [name.rpartition("/")[2] for name in wheel.namelist() if name.startswith("jobsight/web/assets/")]
