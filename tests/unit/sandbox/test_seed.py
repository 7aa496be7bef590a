import shutil
from pathlib import Path

import pytest

from drover.sandbox import seed
from drover.sandbox.layout import Layout


@pytest.fixture
def made(tmp_path: Path) -> Path:
    root = tmp_path / "seed"
    (root / "layers").mkdir(parents=True)
    (root / "layers" / "file").write_text("layer")
    (root / "meta.db").write_text("database")
    return root


async def test_a_new_node_shares_layers_with_the_seed_but_not_its_databases(made: Path, tmp_path: Path) -> None:
    node = Layout(tmp_path / "box", 3).node(1)
    await seed.plant(made, node)

    planted = node.root / "containerd"
    assert (planted / "layers" / "file").samefile(made / "layers" / "file")
    assert not (planted / "meta.db").samefile(made / "meta.db")
    assert (planted / "meta.db").read_text() == "database"


async def test_a_node_that_has_images_keeps_them(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "box", 3)
    (layout.node(1).root / "containerd").mkdir(parents=True)
    await seed.begin(layout, layout.nodes(1), {"localhost/none:1": tmp_path / "missing"})

    assert list((layout.node(1).root / "containerd").iterdir()) == []


async def test_what_a_crash_left_half_planted_is_planted_anew(made: Path, tmp_path: Path) -> None:
    node = Layout(tmp_path / "box", 3).node(1)
    shutil.copytree(made / "layers", node.root / ".containerd")
    await seed.plant(made, node)

    assert sorted(path.name for path in (node.root / "containerd").iterdir()) == ["layers", "meta.db"]
