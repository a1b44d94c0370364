"""A Prefect server that answers with an error is reported as such, and findings before a failing check are kept."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deployments.doctor import examine as examine_module
from deployments.doctor import server_checks
from deployments.doctor.finding import CheckContext, Finding
from flows.settings import Settings

CONTEXT = CheckContext({}, Settings(), timedelta(hours=26), datetime.now(UTC))


def test_server_that_answers_503_is_the_only_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(503))
    (finding,) = server_checks.check(CONTEXT)
    assert (finding.state, finding.message) == (
        "bad",
        "http://127.0.0.1:9/api answers 503: its database does not answer",
    )


def test_findings_before_an_exception_are_kept() -> None:
    def check(_context: CheckContext):
        yield Finding("server", "bad", "first")
        raise ValueError("then")

    findings = list(examine_module._run_check("prefect", check, CONTEXT))
    assert [finding.message for finding in findings] == ["first", "check failed: ValueError: then"]
