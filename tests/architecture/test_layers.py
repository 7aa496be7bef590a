"""House rules 1, 2 and 8: downwards only, pure layers, one home for every foreign thing. import-linter referees."""

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import PACKAGE, ROOT


def test_imports_keep_the_contracts() -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    found = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, env=found, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_source_root_is_no_package_that_would_hide_the_standard_library() -> None:
    assert not (PACKAGE.parent / "__init__.py").exists()


def test_every_folder_of_the_package_with_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}

    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_pure_layers_know_paths_but_no_file_system() -> None:
    pure = [path for layer in ("api", "state", "planning", "translation") for path in (PACKAGE / layer).rglob("*.py")]
    imports = [line for path in pure for line in path.read_text().splitlines() if "pathlib" in line]

    assert set(imports) <= {"from pathlib import PurePosixPath"}
