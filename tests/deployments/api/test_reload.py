"""The champion changes while clients forecast and observe: no request fails, and what was observed is kept."""

import json
import shutil
import threading
import time

import httpx
import numpy as np
import pandas as pd
import pytest

from deployments.api.inference.champion import ServeOptions, load_champion
from tasks.storage.store import Store
from tests.deployments.api.conftest import CUTOFF, NIGHT, assert_equal_table, published
from tests.faults.harness import World

CHANGES, POLL_S, LOADED_S = 20, 0.3, 30.0
CLIENTS, OBSERVATIONS = 6, 24


def load(world):
    return load_champion("ports", Store(root=str(world.store)), ServeOptions())


def copy_of(world, folder):
    copied = World.__new__(World)
    copied.folder, copied.store, copied.spec = folder, folder / "store", folder / "ports.yaml"
    shutil.copytree(world.folder, folder)
    copied.spec.write_text(copied.spec.read_text().replace(str(world.folder), str(folder)))
    copied.promoted, copied.other = getattr(world, "promoted", ""), getattr(world, "other", "")
    return copied


def manifest_of(world, night):
    for path in (world.store / "runs/pipeline=ports").glob("*.json"):
        if json.loads(path.read_text())["as_of"].startswith(night):
            return path
    raise AssertionError(night)


def newest_times(forecaster):
    return forecaster.timeline.times[forecaster.states.newest].tolist()


def test_states_are_those_of_the_latest_forecast(served, tmp_path):
    world = copy_of(served, tmp_path / "world")
    assert world.run("forecast", str(world.spec), "--as-of", "2024-02-09", "--no-server").code == 0
    newest = load(world).forecaster
    assert newest_times(newest) == 3 * [pd.Timestamp("2024-02-08T23:00Z").timestamp() * 1e6]
    record = manifest_of(world, "2024-02-09")
    text = record.read_text()
    record.unlink()  # the night has published and still writes its report
    rebuilt = load(world).forecaster
    assert (
        rebuilt.timeline.times[rebuilt.states.newest].tolist() == newest.timeline.times[newest.states.newest].tolist()
    )
    np.testing.assert_array_equal(rebuilt.forecast(np.arange(3)), newest.forecast(np.arange(3)))
    record.write_text(text)
    earlier = manifest_of(world, NIGHT)  # a backfill: an earlier night ends last
    earlier.write_text(json.dumps(json.loads(earlier.read_text()) | {"finished": "2099-01-01T00:00:00+00:00"}))
    served_again = load(world).forecaster
    assert newest_times(served_again) == newest_times(newest)


def test_closed_hours_are_left_out_and_contract_rules_refuse(twofold, open_api):
    with open_api(twofold) as api:
        (forecast,) = api.forecast("north")
        assert_equal_table(forecast, published(twofold, "north"))
        assert len(forecast["ds"]) == 20
        seen = {"unique_id": "north", "ds": "2024-02-08T05:00:00Z"}
        for y, words in ((201.0, "y is 201.0"), (-1.0, "y is -1.0")):
            answer = api.post("/v1/observe", {"observations": [seen | {"y": y}]})
            assert answer.status_code == 422, answer.text
            assert words in answer.json()["detail"]
        assert "between 0 and 200 flights are late" in api.post(
            "/v1/observe", {"observations": [seen | {"y": 201.0}]}
        ).json()["detail"]  # fmt: skip


def test_exchange_keeps_observations_and_known_covariates(twofold, open_api, tmp_path, panel):
    world = copy_of(twofold, tmp_path / "world")
    known = panel[(panel["port"] == "north") & (panel["hour_utc"] > CUTOFF + pd.Timedelta("24h"))]["planned"].tolist()
    with open_api(world) as api:
        for hour in (5, 6, 8):
            api.observe({"unique_id": "north", "ds": f"2024-02-08T{hour:02d}:00:00Z", "y": 3.0 + hour,
                         "covariates": {"wind": 7.0}, "known": {"planned": known[: hour + 1]}})  # fmt: skip
            known = known[hour + 1 :] if hour == 5 else known[1 if hour == 6 else 2 :]
        before = api.get("/v1/series/north").json()
        assert world.run("promote", str(world.spec), world.other, "--reason", "test").code == 0
        taken_over = api.state.queue.service.exchange(load(world))
        after = api.get("/v1/series/north").json()
        assert taken_over == 3
        assert after["model"]["version"] == world.other != before["model"]["version"]
        assert after["observed"] == before["observed"]
        assert after["forecast"]["ds"] == before["forecast"]["ds"]


class Clients:
    """Threads that forecast and observe one service until they are ended; failures and versions of all answers."""

    def __init__(self, url, planned):
        self.url, self.planned, self.ended = url, planned, threading.Event()
        self.failures, self.versions, self.observed = [], [], {}
        self.threads = [threading.Thread(daemon=True, target=self.forecast) for _ in range(CLIENTS - 1)]
        self.threads.append(threading.Thread(daemon=True, target=self.observe))
        for thread in self.threads:
            thread.start()

    def wait_for(self, observations):
        """Wait until so many observations are taken: a fast machine has changed the champion often enough before."""
        deadline = time.monotonic() + 120
        while len(self.observed) < observations and not self.failures:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def ask(self, client, method, path, body=None):
        try:
            answer = client.request(method, path, json=body)
        except httpx.HTTPError as error:
            self.failures.append((path, repr(error)))
            return False
        if answer.status_code != 200:
            self.failures.append((path, answer.status_code, answer.text[:200]))
            return False
        self.versions.append(answer.json()["model"]["version"])
        return True

    def forecast(self):
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.ended.is_set():
                self.ask(client, "POST", "/v1/forecast", {"series": ["north", "south"]})
                self.ask(client, "GET", "/v1/series/north")

    def observe(self):
        """Hour after hour of one series; the known covariates reach one step farther each time."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for hour, planned in enumerate(self.planned):
                ds = f"{CUTOFF + pd.Timedelta(hours=hour + 1):%Y-%m-%dT%H:%M:%SZ}"
                seen = {"unique_id": "south", "ds": ds, "y": float(hour % 7), "covariates": {"wind": 5.0}}
                body = {"observations": [seen | {"known": {"planned": [planned]}}]}
                if self.ask(client, "POST", "/v1/observe", body):
                    self.observed[ds] = seen["y"]
                if self.ended.wait(0.5):
                    return


@pytest.mark.slow
def test_champion_changes_20_times_under_load(twofold, serve, tmp_path, panel, capsys, monkeypatch):
    from flows.runs.manual_change import ChangeRequest, change_champion

    world = copy_of(twofold, tmp_path / "world")
    monkeypatch.setenv("NIGHTCAST_STORE", str(world.store))
    server = serve(world, "--poll", str(POLL_S)).wait_ready()
    south = panel[(panel["port"] == "south") & (panel["hour_utc"] > CUTOFF + pd.Timedelta("24h"))]
    clients, delays, target = Clients(server.url, south["planned"].tolist()), [], world.promoted
    try:
        for number in range(CHANGES):
            target = world.other if number % 2 == 0 else world.promoted
            change_champion(ChangeRequest(str(world.spec), "promote", target, f"change {number}", "a test"))
            begun = time.monotonic()
            while httpx.get(f"{server.url}/version", timeout=30).json()["model"]["version"] != target:
                assert time.monotonic() - begun < POLL_S + LOADED_S
                time.sleep(0.02)
            delays.append(time.monotonic() - begun)
        clients.wait_for(OBSERVATIONS)
    finally:
        clients.end()
    assert clients.failures == []
    assert set(clients.versions) == {world.promoted, world.other}
    state = httpx.get(f"{server.url}/v1/series/south", timeout=30).json()
    assert state["model"]["version"] == target
    first = state["observed"][0][0]  # older ones have left the kept steps
    kept = {ds: y for ds, y in clients.observed.items() if ds >= first}
    assert len(kept) >= 20
    assert {ds: y for ds, y in state["observed"] if ds in clients.observed} == kept
    assert state["newest"] == max(clients.observed)
    assert server.stop() == 0
    assert "Traceback" not in server.err.read_text()
    answered = f"{CHANGES} changes, {len(clients.versions):,} answers, {len(clients.observed)} observations"
    with capsys.disabled():
        seconds = f"{np.median(delays):.2f} s, at most {max(delays):.2f} s"
        print(f"\n{answered}, no failed request; a change is served after {seconds}")  # noqa: T201
