"""Worlds of the fault tests: two good nights are behind, and the fault happens in the third."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.harness import NIGHTS, World
from tests.flows.conftest import panel

__all__ = ["panel"]


class Nights:
    """A world after two good nights, and the bytes of a third night without a fault."""

    def __init__(self, world: World, undisturbed: dict[str, bytes]) -> None:
        self.world, self.undisturbed = world, undisturbed


@pytest.fixture(scope="session")
def build_world(tmp_path_factory: pytest.TempPathFactory, panel: pd.DataFrame) -> Callable[..., World]:
    """Build a world with other settings: build_world(name, **fields of the spec)."""
    return lambda name, table=None, **changes: World(
        tmp_path_factory.mktemp(name) / "world", panel if table is None else table, **changes
    )


@pytest.fixture(scope="session")
def nights(build_world: Callable[..., World]) -> Nights:
    world = build_world("nights")
    for as_of in NIGHTS[:2]:
        ended = world.night(as_of)
        assert ended.code == 0, ended.output
    world.save()
    assert world.night(NIGHTS[2]).code == 0
    undisturbed = world.lasting()
    world.reset()
    return Nights(world, undisturbed)


@pytest.fixture
def world(nights: Nights) -> World:
    """The world after two good nights, at the same path for each test."""
    nights.world.reset()
    return nights.world


@pytest.fixture
def undisturbed(nights: Nights) -> dict[str, bytes]:
    """The bytes of the third night without a fault."""
    return nights.undisturbed


@pytest.fixture(autouse=True)
def _folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def report_fault(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[..., None]:
    """Print a row of the table of faults, if pytest runs with -s: name, how the night ended, time to recover."""

    def write(fault: object, ended: object, again: object) -> None:
        if request.config.getoption("capture") == "no":
            end = "killed" if ended.code < 0 else f"exit {ended.code}"
            with capsys.disabled():
                sys.stdout.write(f"\n{fault.name:46s} {end:7s} {ended.seconds:5.1f} s")
                sys.stdout.write(f"   rerun: exit {again.code} in {again.seconds:4.1f} s")

    return write
