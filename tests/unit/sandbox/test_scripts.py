import subprocess
from pathlib import Path

import pytest

from drover.sandbox.layout import DATA

SCRIPTS = sorted(DATA.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_parsed_by_its_shell(script: Path) -> None:
    shell = ["bash"] if script.name.startswith("node-") else ["busybox", "sh"]

    subprocess.run([*shell, "-n", str(script)], check=True)
