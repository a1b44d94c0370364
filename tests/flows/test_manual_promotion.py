"""Promotion by hand, judged from outside: what the next forecast uses; the page, doctor, decisions and MLflow agree."""

import contextlib
import json
import re
import sqlite3
import threading

import pandas as pd
import pytest

from tests.faults.harness import NIGHTS, World

pytestmark = pytest.mark.slow
FIRST, NEXT = NIGHTS[:2]
NETWORKS = [{"cell": cell, "hidden": 8, "segment": 12} for cell in ("gru", "lstm")]


@pytest.fixture(scope="module")
def nights(tmp_path_factory, panel):
    """A store after a night with two challengers: one was promoted. No later night promotes another."""
    settings = {"models": NETWORKS, "promotion": {"significance": 1e-9}}
    world = World(tmp_path_factory.mktemp("nights") / "world", panel, **settings)
    ended = world.night(FIRST)
    assert ended.code == 0, ended.output
    world.champion = alias(world)
    world.other = {"1": "2", "2": "1"}[world.champion]
    world.save()
    return world


@pytest.fixture
def world(nights):
    nights.reset()
    return nights


def used(world, night):
    """The version that the vintage of a night was forecast with."""
    path = world.store / f"forecasts/pipeline=ports/vintage={night}T000000Z/forecasts.parquet"
    (version,) = set(pd.read_parquet(path)["model_version"])
    return version


def page(world, night):
    manifests = (json.loads(path.read_text()) for path in (world.store / "runs/pipeline=ports").glob("*.json"))
    (record,) = [record for record in manifests if record["as_of"].startswith(night)]
    text = re.sub(r"<[^>]+>", " ", (world.store / record["page"]).read_text())
    return " ".join(text.split()), record


def query(world, statement, *values):
    """Read or write the registry's database directly: a client in this process would stay open in forked ones."""
    with contextlib.closing(sqlite3.connect(world.store / "mlflow/mlflow.db")) as db, db:
        return db.execute(statement, values).fetchall()


def alias(world):
    ((version,),) = query(world, "SELECT version FROM registered_model_aliases WHERE alias = 'champion'")
    return str(version)


def move_alias(world):
    """What the MLflow UI does if a person moves the alias."""
    query(world, "UPDATE registered_model_aliases SET version = ? WHERE alias = 'champion'", int(world.other))


def tags_of(world, version):
    return dict(query(world, "SELECT key, value FROM model_version_tags WHERE version = ?", int(version)))


def test_promotion_decides_what_the_next_night_uses(world):
    spec = str(world.spec)
    assert (used(world, FIRST), alias(world)) == (world.champion, world.champion)
    ended = world.run("promote", spec, world.other, "--reason", "weekends", "--if-current", world.champion, "--json")
    assert ended.code == 0, ended.output
    assert json.loads(ended.output.splitlines()[-1])["champion"].endswith(f"v{world.other}")
    assert alias(world) == world.other
    doctor = world.run("doctor", spec).output
    assert f"v{world.other} was promoted in the place of" in doctor
    assert ": weekends" in doctor
    assert world.night(FIRST).code == 0  # a rerun of the same night undoes nothing
    assert (used(world, FIRST), alias(world)) == (world.champion, world.other)
    ended = world.night(NEXT)
    assert ended.code == 0, ended.output
    assert used(world, NEXT) == world.other
    text, record = page(world, NEXT)
    assert "By hand: " in text
    assert record["story"]["by_hand"][0].endswith(": weekends")
    assert record["champion"].endswith(f"v{world.other}")
    tags = tags_of(world, world.other)
    assert tags["nightcast.promotion_reason"] == "weekends"
    assert "@" in tags["nightcast.promoted_by"]


def test_forecast_of_the_same_night_uses_a_promotion_and_a_rollback(world):
    spec = str(world.spec)
    forecast = ("forecast", spec, "--as-of", FIRST, "--no-server")
    for verb, version in (("promote", world.other), ("rollback", world.champion)):
        ended = world.run(verb, spec, version, "--reason", "too high")
        assert ended.code == 0, ended.output
        ended = world.run(*forecast)
        assert ended.code == 0, ended.output
        assert (used(world, FIRST), alias(world)) == (version, version)
    ended = world.run("fsck")
    assert (ended.code, ended.output.count("✗")) == (0, 0), ended.output


def test_alias_moved_by_hand_is_adopted_and_named(world):
    move_alias(world)
    moved = f"was moved to version {world.other} in MLflow, and the next night will adopt it"
    assert moved in world.run("doctor", str(world.spec)).output
    assert moved in world.run("champion", "show", str(world.spec)).output
    assert "where a person has moved it" in world.run("fsck", "--repair").output
    assert alias(world) == world.other
    ended = world.night(NEXT)
    assert ended.code == 0, ended.output
    assert (used(world, NEXT), alias(world)) == (world.other, world.other)
    text, _ = page(world, NEXT)
    assert "by a person in MLflow" in text


def test_alias_moved_to_a_version_that_does_not_fit_goes_back_and_is_named(world):
    for path in (world.store / "artifacts/bundle").glob("*.safetensors"):
        if path.stem == tags_of(world, world.other)["nightcast.digest"]:
            path.unlink()
    for path in (world.store / "mlflow/artifacts").rglob("weights.safetensors"):
        path.write_bytes(b"rot")
    move_alias(world)
    ended = world.night(NEXT)
    assert ended.code == 0, ended.output
    assert (
        f"! the alias champion was moved in MLflow to version {world.other}, which may not be champion" in ended.output
    )
    assert (used(world, NEXT), alias(world)) == (world.champion, world.champion)
    text, record = page(world, NEXT)
    assert f"moved in MLflow to version {world.other}, which may not be champion" in text
    assert record["notices"][0].startswith(f"the alias champion was moved in MLflow to version {world.other}")
    assert f"moved in MLflow to version {world.other}" in world.run("doctor", str(world.spec)).output


def test_of_two_people_at_once_one_wins_and_the_other_is_refused(world):
    ends = {}

    def call(name, *arguments):
        ends[name] = world.run(*arguments, "--reason", name)

    threads = [
        threading.Thread(
            target=call, args=(name, "promote", str(world.spec), world.other, "--if-current", world.champion)
        )
        for name in ("eve", "adam")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(end.code for end in ends.values())
    assert codes == [0, 1], ends
    loser = next(end for end in ends.values() if end.code == 1)
    assert re.search(r"error: the champion of pipeline 'ports' is \S+ v\d, not .* as expected", loser.output)
    assert len(list((world.store / "decisions/pipeline=ports").glob("*.json"))) == 2
    assert alias(world) == world.other


def test_retracted_night_is_published_again_only_on_purpose(world):
    path = world.store / f"forecasts/pipeline=ports/vintage={FIRST}T000000Z/forecasts.parquet"
    rows = path.read_bytes()
    ended = world.run("retract", str(world.spec), FIRST, "--reason", "wrong calendar")
    assert ended.code == 0, ended.output
    assert not path.exists()
    ended = world.night(FIRST)
    assert (ended.code, path.exists()) == (1, False), ended.output
    assert ": wrong calendar. Nothing was published. To publish this night again on purpose" in ended.output
    ended = world.run("nightly", str(world.spec), "--as-of", FIRST, "--no-server", "--force")
    assert ended.code == 0, ended.output
    assert path.read_bytes() == rows
    assert (world.store / "latest/pipeline=ports/forecasts.parquet").read_bytes() == rows
    assert world.run("fsck").code == 0
