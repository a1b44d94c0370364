"""Malformed requests to `nightcast serve`: each is answered, none with an error of Python, and the memory stays."""

import contextlib
import json
import math

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.deployments.api.conftest import NAMES, Server, named, serve, served

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
__all__ = ["named", "serve", "served"]
SAMPLE, MANY = 360, 10_000
MAX_GROWTH = 0.10
JSON = {"Content-Type": "application/json"}
UNUSUAL = [
    "NaN",
    "-Infinity",
    "1e999",
    "1" + "0" * 400,
    '"\\ud800"',
    "[[[[]]]]",
    '"2024-02-08T00:00:00Z"',
    "true",
    "{}",
]


class Fuzz:
    """Sends requests to one server and counts the statuses of its answers."""

    def __init__(self, server: Server) -> None:
        self.server, self.process = server, psutil.Process(server.process.pid)
        self.client = httpx.Client(base_url=server.url, timeout=60)
        self.schema = schemathesis.openapi.from_dict(self.client.get("/openapi.json").json())
        self.statuses: dict[int, int] = {}
        self.sizes: list[int] = []

    def check(self, answer: httpx.Response) -> None:
        status = answer.status_code
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.sizes.append(self.process.memory_info().rss)
        assert status < 500 or (status == 503 and "retry-after" in answer.headers), (status, answer.text[:500])
        assert "Traceback" not in answer.text
        if status >= 400 and answer.headers.get("content-type") != "application/problem+json":
            assert answer.text == "Invalid HTTP request received.", answer.text[:200]  # h11 and httptools say so

    def by_schema(self, count: int) -> None:
        """Requests that the description allows, and requests that it does not, for every operation."""
        operations = [result.ok() for result in self.schema.get_all_operations()]
        modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
        for operation in operations:
            for mode in modes:
                share = count // (len(modes) * len(operations))
                self._run(operation.as_strategy(mode), self._send_case, share)

    def by_values(self, count: int) -> None:
        """Requests of the right form whose values are not."""
        self._run(bodies(), self._send_body, count)

    def _run(self, strategy, send, count: int) -> None:
        @seed(len(self.sizes))
        @settings(max_examples=max(1, count), database=None,
                  suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # fmt: skip
        @given(strategy)
        def run(case) -> None:
            send(case)

        with contextlib.suppress(Unsatisfiable):  # an operation without parameters cannot be called wrongly
            run()

    def _send_case(self, case) -> None:
        try:
            arguments = case.as_transport_kwargs(base_url=self.server.url)
            content = arguments["data"] if isinstance(arguments.get("data"), str | bytes) else None
            answer = self.client.request(
                arguments["method"],
                arguments["url"],
                json=arguments.get("json"),
                params=arguments.get("params"),
                headers=arguments.get("headers"),
                content=content,
            )
        except (UnicodeError, ValueError, TypeError, httpx.InvalidURL, httpx.LocalProtocolError):
            return  # the client itself cannot send it
        self.check(answer)

    def _send_body(self, case: tuple[str, str]) -> None:
        path, text = case
        self.check(self.client.post(path, content=text.encode("utf-8", "surrogatepass"), headers=JSON))


def values():
    times = st.sampled_from(["2024-02-08T00:00:00Z", "2024-02-07T23:00:00+14:00", "9999-12-31", "0001-01-01", ""])
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | times
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    )


def mutate(draw, body):
    """Replace some values of a right request by any values, and a few by text that JSON or Python read unusually."""
    for _ in range(draw(st.integers(0, 3))):
        node, key = body, None
        while isinstance(node, dict | list) and node:
            parent = node
            key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            node = node[key]
            if draw(st.booleans()):
                break
        if key is not None:
            parent[key] = draw(values())
    text = json.dumps(body)
    if draw(st.integers(0, 5)) == 0:
        text = text.replace("4.5", draw(st.sampled_from(UNUSUAL)))
    if draw(st.integers(0, 20)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


@st.composite
def bodies(draw):
    name = draw(st.sampled_from([*NAMES.values(), "nowhere"]))
    hour = draw(st.integers(0, 23))
    seen = {"unique_id": name, "ds": f"2024-02-08T{hour:02d}:00:00Z", "y": 4.5, "covariates": {"wind": 4.5},
            "known": {"planned": [4.5, 4.5]}}  # fmt: skip
    row = {"unique_id": "a", "ds": seen["ds"], "y": 4.5, "planned": 4.5, "wind": 4.5}
    path, body = draw(
        st.sampled_from(
            [
                ("/v1/observe", {"observations": [seen], "forecast": True}),
                ("/v1/forecast", {"series": [name], "observations": [seen]}),
                ("/v1/forecast", {"history": [row, row | {"ds": "2024-02-07T00:00:00Z"}]}),
            ]
        )
    )
    return path, mutate(draw, json.loads(json.dumps(body)))


def assert_healthy(fuzz: Fuzz) -> None:
    assert fuzz.client.get("/ready").status_code == 200
    (forecast,) = fuzz.client.post("/v1/forecast", json={"series": [NAMES["south"]], "observations": []}).json().get(
        "forecasts", [{"y_hat": [0.0]}]
    )  # fmt: skip
    assert all(map(math.isfinite, forecast["y_hat"]))
    assert fuzz.server.stop() == 0
    assert "Traceback" not in fuzz.server.err.read_text()


def test_hundreds_of_malformed_requests_are_answered(served, serve):
    fuzz = Fuzz(serve(served).wait_ready())
    fuzz.by_schema(SAMPLE // 10)
    fuzz.by_values(SAMPLE)
    assert_healthy(fuzz)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_10_000_malformed_requests_are_answered(served, serve, capsys):
    fuzz = Fuzz(serve(served).wait_ready())
    while len(fuzz.sizes) < MANY:
        fuzz.by_schema(MANY // 50)  # it makes a few requests a second
        fuzz.by_values(MANY // 4)
    half = len(fuzz.sizes) // 2
    middle, end = (sum(part) / len(part) for part in (fuzz.sizes[half - 200 : half], fuzz.sizes[-200:]))
    assert_healthy(fuzz)
    with capsys.disabled():
        print(f"\n{len(fuzz.sizes):,} requests: {dict(sorted(fuzz.statuses.items()))}; memory in the middle "  # noqa: T201
              f"{middle / 2**20:.0f} MB, at the end {end / 2**20:.0f} MB")  # fmt: skip
    assert end < middle * (1 + MAX_GROWTH)
