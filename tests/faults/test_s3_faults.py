"""The store is a bucket whose server answers errors, loses answers, resets, falls silent or dies within a night."""

import pytest

from tests.faults.harness import NIGHTS, PUBLISHED, World
from tests.faults.invariants import output_violations
from tests.faults.s3_proxy import FaultProxy

NIGHT = NIGHTS[1]
MAX_END_S = 110.0  # from the death of the server until the command ends
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class BucketWorld:
    """A world whose store is a bucket behind the proxy, with a registry on disk."""

    def __init__(self, world: World, endpoint: str) -> None:
        import boto3

        self.world, self.proxy = world, FaultProxy(endpoint)
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="k",
            aws_secret_access_key="s",  # noqa: S106 - of a server of the test
        )

    def begin(self, saved: dict[str, bytes] | None = None) -> None:
        """Empty the bucket, or fill it with what `objects` returned."""
        self.world.reset()
        self.client.create_bucket(Bucket="night")
        for key in self.objects():
            self.client.delete_object(Bucket="night", Key=key)
        for key, data in (saved or {}).items():
            self.client.put_object(Bucket="night", Key=key, Body=data)

    def night(self, as_of: str, rule=None):
        self.proxy.obey(rule)
        registry = f"sqlite:///{self.world.folder}/mlflow.db"
        environment = KEYS | {"AWS_ENDPOINT_URL": self.proxy.url, "NIGHTCAST_STORE": "s3://night/store"}
        ended = self.world.night(as_of, environment=environment | {"NIGHTCAST_MLFLOW_URI": registry})
        self.proxy.obey(None)
        return ended

    def objects(self) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="night")
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket="night", Key=key)["Body"].read() for key in keys}

    def published(self) -> dict[str, bytes]:
        return {key: data for key, data in self.objects().items() if key.split("/")[1] in PUBLISHED}


@pytest.fixture(scope="module")
def bucket(build_world, s3):
    """(world, what the first night leaves, what the second night publishes without a fault)."""
    made = BucketWorld(build_world("bucket"), s3)
    made.world.save()
    made.begin()
    first = made.night(NIGHTS[0])
    assert first.code == 0, first.output
    made.world.save()
    saved = made.objects()
    second = made.night(NIGHT)
    assert second.code == 0, second.output
    return made, saved, made.published()


def every(count, action, methods=("GET", "PUT", "POST", "HEAD", "DELETE")):
    seen = [0]

    def rule(_number, method, _path):
        if method not in methods:
            return "pass"
        seen[0] += 1
        return action if seen[0] % count == 0 else "pass"

    return rule


@pytest.mark.parametrize(
    ("action", "count"), [("500", 6), ("503", 5), ("reset", 7), ("lost", 8)], ids=["500", "503", "reset", "lost"]
)
def test_night_outlasts_single_errors(bucket, action, count):
    made, saved, undisturbed = bucket
    made.begin(saved)
    ended = made.night(NIGHT, every(count, action))
    assert ended.code == 0, ended.output
    assert made.published() == undisturbed


def test_answers_of_writes_that_are_lost_leave_no_doubt(bucket):
    made, saved, undisturbed = bucket
    made.begin(saved)
    ended = made.night(NIGHT, every(3, "lost", ("PUT",)))
    assert ended.code == 0, ended.output
    assert made.published() == undisturbed


@pytest.mark.parametrize("action", ["reset", "503", "hang"])
@pytest.mark.parametrize("request_number", [3, 40, 120])
def test_server_that_dies_ends_the_night_in_time_and_a_rerun_is_whole(bucket, action, request_number):
    made, saved, undisturbed = bucket
    made.begin(saved)
    ended = made.night(NIGHT, lambda number, method, path: action if number >= request_number else "pass")
    assert ended.code == 1, ended.output
    assert output_violations(ended) == []
    assert ended.seconds < MAX_END_S
    again = made.night(NIGHT)
    assert again.code == 0, again.output
    assert made.published() == undisturbed
