"""Folders that are whole or not there, wherever they are asked for."""

import os
from pathlib import Path

import pytest

from lilm.disk import filling
from lilm.errors import LilmError


def test_a_link_to_an_empty_folder_stays_and_the_folder_is_filled(tmp_path: Path) -> None:
    """As where the big disk is somewhere else."""
    (tmp_path / "big").mkdir()
    for name, target in (("link", tmp_path / "big"), ("new", tmp_path / "not-there-yet")):
        (tmp_path / name).symlink_to(target)
        with filling(tmp_path / name) as work:
            (work / "file").write_text("x")
        assert (tmp_path / name).is_symlink()
        assert [path.name for path in target.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_replaced_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LilmError, match="the folder that you are in"), filling(Path()):
        pytest.fail("work was begun")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "disk")
    with pytest.raises(LilmError, match="a disk of its own"), filling(tmp_path / "disk"):
        pytest.fail("work was begun")
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
