"""Prefect's home: who may read it, and the key in it."""

import os
import stat

import pytest

from deployments.private_home import HomeNotPrivate, api_key, close_home, key_path, read_api_key


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    close_home(tmp_path / "home")
    key = api_key(tmp_path / "home")
    user, _, password = key.partition(":")
    assert (user, len(password)) == ("nightcast", 32)
    assert (mode_of(tmp_path / "home"), mode_of(key_path(tmp_path / "home"))) == (0o700, 0o600)
    assert api_key(tmp_path / "home") == read_api_key(tmp_path / "home") == key
    assert api_key(tmp_path / "home", "me:mine") == read_api_key(tmp_path / "home") == "me:mine"


def test_key_that_others_could_read_or_that_is_a_link_is_replaced(tmp_path):
    first = api_key(tmp_path)
    key_path(tmp_path).chmod(0o640)
    assert read_api_key(tmp_path) == ""
    second = api_key(tmp_path)
    assert second != first
    planted = tmp_path / "planted"
    planted.write_text("nightcast:known-to-all")
    planted.chmod(0o600)
    key_path(tmp_path).unlink()
    key_path(tmp_path).symlink_to(planted)
    assert read_api_key(tmp_path) == ""
    assert api_key(tmp_path) not in (second, "nightcast:known-to-all")
    assert planted.read_text() == "nightcast:known-to-all"


def test_fifo_in_place_of_the_key_blocks_nobody(tmp_path):
    os.mkfifo(key_path(tmp_path), 0o600)
    assert read_api_key(tmp_path) == ""


def test_open_home_of_an_earlier_version_is_closed_with_its_files(tmp_path):
    home = tmp_path / "home"
    (home / "storage").mkdir(parents=True)
    (home / "prefect.db").touch()
    (home / "outside").symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    for path, mode in (
        (home, 0o755),
        (home / "storage", 0o775),
        (home / "prefect.db", 0o644),
        (tmp_path / "file", 0o644),
    ):
        path.chmod(mode)
    close_home(home)
    assert [mode_of(path) for path in (home, home / "storage", home / "prefect.db")] == [0o700, 0o700, 0o600]
    assert mode_of(tmp_path / "file") == 0o644  # a link is not followed


def test_home_of_another_user_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1 if os.getuid() else 12345)
    (tmp_path / "home").mkdir()
    if not os.getuid():
        os.chown(tmp_path / "home", 4242, -1)
    with pytest.raises(HomeNotPrivate, match=r"chmod 700 .*set PREFECT_HOME to a folder of your own"):
        close_home(tmp_path / "home")
