"""What `nightcast up` says can be run in the UI."""

from deployments.local_stack.status_screen import describe_deployments

URL = "http://127.0.0.1:4200"


def test_deployments_are_named_by_flow_and_pipeline() -> None:
    names = ["nightly/shop", "forecast/shop", "forecast/ports", "nightly/ports", "nightly/new"]
    assert describe_deployments(names, URL) == [
        "run in the UI, http://127.0.0.1:4200/deployments: forecast, nightly of ports, shop",
        "run in the UI, http://127.0.0.1:4200/deployments: nightly of new",
    ]


def test_many_pipelines_are_counted() -> None:
    names = [f"nightly/p{number}" for number in range(10)]
    (sentence,) = describe_deployments(names, URL)
    assert sentence.endswith("nightly of p0, p1, p2, p3, p4, p5, p6, p7 and 2 more")


def test_nothing_is_said_without_deployments() -> None:
    assert describe_deployments([], URL) == []
