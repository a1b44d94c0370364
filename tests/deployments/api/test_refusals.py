"""Each request that is refused gets a problem document with status, place and fix; nothing of Python, nothing kept."""

import json
import threading
import time

import pytest

from deployments.api import batching
from deployments.api.guards import Limits
from tests.deployments.api.conftest import CUTOFF, NAMES

NAME = NAMES["north"]
NEXT = "2024-02-08T00:00:00Z"
SEEN = {"unique_id": NAME, "ds": NEXT, "y": 4.0}
ROW = {"unique_id": "a", "ds": NEXT, "y": 1.0, "planned": 1.0, "wind": 1.0}


def assert_problem(answer, status, *words):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    assert document["status"] == status
    for word in words:
        assert word in document["detail"], document
    for trace in ("Traceback", "Error(", "site-packages", "line "):
        assert trace not in answer.text


OBSERVATIONS = [
    ({"unique_id": "nowhere"}, 404, "'nowhere' is not among the 3 known series", "GET /v1/series"),
    ({"ds": "2024-02-08T00:30:00Z"}, 422, "not a step of the frequency 'h'", "2024-02-07T23:00:00Z"),
    ({"ds": "2099-01-01T00:00:00Z"}, 422, "in the future"),
    ({"ds": "0001-01-01T00:00:00+14:00"}, 422, "outside the years 1 to 9999"),
    ({"ds": "0001-01-01T00:00:00Z"}, 422, "not a step"),
    ({"ds": "yesterday"}, 422, "/observations/0/ds: 'yesterday' is not a time", "2024-03-01T05:00:00Z"),
    ({"ds": 1707350400}, 422, "/observations/0/ds", "ISO text"),
    ({"ds": None}, 422, "/observations/0/ds"),
    ({"y": "4"}, 422, "/observations/0/y", "valid number", "'4'"),
    ({"y": True}, 422, "/observations/0/y", "valid number"),
    ({"y": [4]}, 422, "/observations/0/y"),
    ({"y": 1e31}, 422, "too large to compute with"),
    ({"y": 1e13}, 422, "times the median"),
    ({"unique_id": ""}, 422, "/observations/0/unique_id"),
    ({"unique_id": "a\x00"}, 422, "control characters"),
    ({"unique_id": "n" * 513}, 422, "at most 512 characters"),
    ({"value": 4}, 422, "/observations/0/value", "not permitted"),
    ({"covariates": {"planned": 1.0}}, 422, "'planned' is not among the covariates that are observed, which are wind"),
    ({"covariates": {"wind": None}}, 422, "/observations/0/covariates/wind"),
    ({"known": {"wind": [1.0]}}, 422, "'wind' is not among the covariates that are known in advance"),
    ({"known": {"planned": 1.0}}, 422, "/observations/0/known/planned"),
    ({"known": {"planned": [1.0] * 2001}}, 422, "/observations/0/known/planned"),
]


@pytest.mark.parametrize(("change", "status", "words"), [(row[0], row[1], row[2:]) for row in OBSERVATIONS])
def test_refused_observation_names_its_place(readable, change, status, words):
    before = readable.get("/v1/series/" + NAME).json()
    answer = readable.post("/v1/observe", {"observations": [SEEN | change]})
    assert_problem(answer, status, *words)
    assert readable.get("/v1/series/" + NAME).json() == before


def test_nothing_is_taken_if_one_observation_is_refused(readable):
    before = readable.get("/v1/series/" + NAME).json()
    answer = readable.post("/v1/observe", {"observations": [SEEN, SEEN | {"ds": "2024-02-08T00:30:00Z"}]})
    assert_problem(answer, 422, "1 of 2 observations are refused, and none was taken", "/observations/1")
    assert answer.json()["errors"][0]["pointer"] == "/observations/1"
    assert readable.get("/v1/series/" + NAME).json() == before


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "1" + 400 * "0"]
BODIES = [
    *(
        (f'{{"observations": [{{"unique_id": "a", "ds": "{NEXT}", "y": {number}}}]}}', 422, "/observations/0/y")
        for number in NUMBERS
    ),
    ('{"history": [{"unique_id": "a", "ds": "%s", "y": 1, "wind": NaN}]}' % NEXT, 422, "/history/0/wind"),  # noqa: UP031
    ('{"observations": [{"unique_id": "a", "ds": "x", "y": 1%s}]}' % ("0" * 5000), 400, "too many digits"),
    ("[" * 100_000, 400, "nested too deeply"),
    ('{"a":' * 100_000, 400, "nested too deeply"),
    ('{"series": ["\\ud800"]}', 422, "/series/0"),
    ('{"series": ["north"], "\\ud800": 1}', 422, "the body"),
    ('{"series": ["north"]', 422, "not JSON at character 20"),
    (b"\xff\xfe", 422, "not JSON"),
    (b'{"series": ["\xff"]}', 400, "cannot be read as JSON"),
    ("", 422, "the body: Field required"),
    ("[]", 422, "the body"),
    ("null", 422, "the body"),
    ("{}", 422, "give either `series` or `history`"),
]


@pytest.mark.parametrize(("body", "status", "words"), BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/observe"])
def test_body_that_is_not_a_request(readable, path, body, status, words):
    answer = readable.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status)
    if path == ("/v1/observe" if "observations" in str(body) else "/v1/forecast"):
        assert words in answer.json()["detail"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_body_of_another_media_type(readable, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    answer = readable.client.post("/v1/forecast", content='{"series": ["x"]}', headers=headers)
    assert_problem(answer, 415, "Content-Type: application/json")


REQUESTS = [
    ({"series": []}, "/series"),
    ({"series": [NAME], "history": [ROW]}, "either `series` or `history`"),
    ({"series": [NAME], "observations": [SEEN | {"unique_id": NAMES["south"]}]}, "which `series` does not name"),
    ({"history": [ROW], "observations": [SEEN]}, "put them into `history`"),
    ({"series": ["x"] * 1001}, "at most 1000 items"),
    ({"series": [NAME], "observations": [SEEN] * 10_001}, "at most 10000 items"),
    ({"history": []}, "/history"),
    ({"history": [ROW | {"wind": [1]}]}, "/history/0/wind"),
    ({"history": [ROW | {"wind": 10**400}]}, "/history/0/wind"),
    ({"history": [ROW | {"wind": "breeze"}]}, "'breeze', which is not a finite number"),
    ({"history": [ROW | {"ds": "0001-01-01T00:00:00Z"}]}, "outside the years 1900 to 2200"),
    ({"history": [ROW | {"ds": "x"}]}, "which is not a time"),
    ({"history": [ROW, ROW]}, "row 1 repeats series 'a'"),
    ({"history": [ROW | {"ds": "1900-01-01T00:00:00Z"}, ROW]}, "the limit is 1,000,000"),
    ({"history": [{key: ROW[key] for key in ("unique_id", "ds", "y")}]}, "column 'planned', 'wind' is missing"),
    ({"history": [ROW]}, "column 'planned' of series 'a' has 0 values"),
]


@pytest.mark.parametrize(("body", "words"), REQUESTS, ids=range(len(REQUESTS)))
def test_refused_forecast(readable, body, words):
    assert_problem(readable.post("/v1/forecast", body), 422, words)


def test_addresses_and_methods(readable):
    assert_problem(readable.get("/v2/forecast"), 404, "/openapi.json")
    assert_problem(readable.client.delete("/v1/series"), 405, "/openapi.json")
    assert_problem(readable.get("/v1/series", limit=0), 422, "limit")
    assert_problem(readable.get("/v1/series/nowhere"), 404, "'nowhere'")


OWN, FOREIGN = ("127.0.0.1:80", "localhost", "[::1]:8000"), ("evil.example", "127.0.0.1.evil.example", "[", "")


@pytest.mark.parametrize(("host", "status"), [*((host, 200) for host in OWN), *((host, 421) for host in FOREIGN)])
def test_host_of_another_name_is_refused(readable, host, status):
    answer = readable.client.get("/health", headers={"Host": host})
    assert answer.status_code == status
    if status != 200:
        assert_problem(answer, status, "Host")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("https://localhost:8000", 200),
        ("http://localhost:9000", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
def test_page_of_another_origin_is_refused(readable, origin, status):
    answer = readable.client.get("/v1/series", headers={"Host": "localhost:8000", "Origin": origin})
    assert answer.status_code == status
    if status != 200:
        assert_problem(answer, status, "may not call this service")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic correct-horse-battery"}, 401),
        ({"X-API-Key": "correct-horse-battery"}, 200),
        ({"Authorization": "bearer correct-horse-battery"}, 200),
    ],
)
def test_key_is_needed(guarded, headers, status):
    answer = guarded.client.get("/v1/series", headers=headers)
    assert answer.status_code == status
    assert guarded.client.get("/ready").status_code == 200
    if status != 200:
        assert_problem(answer, 401, "X-API-Key")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert guarded.client.post("/v1/observe", content="{", headers=headers).status_code == 401


@pytest.fixture(scope="module")
def guarded(served, open_api):
    with open_api(served, key="correct-horse-battery") as api:
        yield api


def test_size_rate_and_time_are_bounded(served, open_api, monkeypatch):
    with open_api(served, limits=Limits(body_bytes=1000, answer_s=0.5, rate=3)) as api:
        answer = api.client.post("/v1/forecast", content=b" " * 1001, headers={"Content-Type": "application/json"})
        assert_problem(answer, 413, "larger than 1,000 bytes", "Split the request")
        chunks = (b" " * 300 for _ in range(5))
        assert_problem(api.client.post("/v1/forecast", content=chunks), 413, "larger than 1,000 bytes")
        answers = [api.get("/v1/series") for _ in range(7)]
        limited = next(answer for answer in answers if answer.status_code != 200)
        assert_problem(limited, 429, "more than 3 requests a second")
        assert int(limited.headers["retry-after"]) >= 1
        assert api.get("/health").status_code == 200


def test_slow_answer_and_full_queue(served, open_api, monkeypatch):
    with open_api(served, limits=Limits(answer_s=1.0)) as api:
        gate, service = threading.Event(), api.state.queue.service
        monkeypatch.setattr(type(service), "describe", lambda self, name: gate.wait(30))
        late = api.get(f"/v1/series/{NAME}")
        assert_problem(late, 504, "the answer took longer than 1 s", "fewer series")
        seen = SEEN | {"covariates": {"wind": 1.0}}
        assert_problem(api.post("/v1/observe", {"observations": [seen]}), 504)
        for _ in range(batching.MAX_WAITING - api.state.queue.waiting.qsize()):
            api.state.queue.waiting.put_nowait(batching.Work(None, [NAME], _Gone()))
        full = api.post("/v1/forecast", {"series": [NAME]})
        assert_problem(full, 503, f"{batching.MAX_WAITING} requests are waiting", "Try again")
        assert full.headers["retry-after"] == "1"
        gate.set()
        deadline = time.monotonic() + 60
        while not api.state.queue.waiting.empty():  # the requests of clients that have gone are passed over
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (forecast,) = api.forecast(NAME)
        assert forecast["cutoff"] == f"{CUTOFF:%Y-%m-%dT%H:%M:%SZ}"  # the observation that got 504 was not taken


class _Gone:
    """The result of a request whose client has gone."""

    def cancelled(self):
        return True


def test_error_of_the_service_shows_nothing_of_python(served, open_api, monkeypatch):
    with open_api(served) as api:
        monkeypatch.setattr(type(api.state.queue.service), "describe", lambda self, name: 1 / 0)
        assert_problem(api.get(f"/v1/series/{NAME}"), 500, "its log on stderr")
        assert api.get("/health").status_code == 200


def test_openapi_has_examples_that_are_answered(readable):
    document = readable.get("/openapi.json").json()
    for name in ("ForecastRequest", "ObserveRequest"):
        assert json.dumps(document["components"]["schemas"][name]["examples"]).count("unique_id") >= 1
