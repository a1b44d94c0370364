"""What a person reads when something is wrong, and the exit code a script gets."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts import errors
from data_contracts.errors import (
    ContractBroken,
    MemoryTooShort,
    NightcastError,
    NoChampion,
    SourceUnreadable,
    SpecError,
    StoreDamaged,
    TrainingFailed,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("wrong"), 2),
        (ContractBroken("the source", ["broken"]), 3),
        (SourceUnreadable("the source", ["missing"]), 3),
        (NoChampion("ports", "none yet"), 4),
        (TrainingFailed("gru-64", "NaN", "Lower the learning rate."), 1),
        (MemoryTooShort("gru-64", 5, 24, "it sees 5 steps"), 1),
        (StoreDamaged("artifacts/a.parquet", "is missing"), 1),
    ],
)
def test_every_error_has_the_documented_exit_code(error: NightcastError, code: int) -> None:
    assert error.exit_code == code
    assert isinstance(error, NightcastError)


def test_tree_in_the_docstring_matches_the_classes() -> None:
    drawn = set(re.findall(r"(\w+) (\d) ", Path(errors.__file__).read_text(encoding="utf-8").split('"""')[1]))
    drawn |= {("NightcastError", "1")}
    written = {
        (name, str(kind.exit_code))
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, NightcastError)
    }
    assert drawn == written


def test_broken_contract_lists_findings_and_quarantine() -> None:
    error = ContractBroken("the source s.csv", ["no y", "twice"], "quarantine/pipeline=p/1.parquet")
    assert str(error) == (
        "the source s.csv broke its contract. Nothing new was published:\n"
        "  - no y\n"
        "  - twice\n"
        "Rejected rows with rule and reason: quarantine/pipeline=p/1.parquet"
    )
    assert (error.table, error.findings) == ("the source s.csv", ["no y", "twice"])


def test_missing_champion_names_the_commands_that_train_one() -> None:
    assert str(NoChampion("ports", "none yet")).endswith(
        "Run `nightcast nightly ports` or `nightcast retrain ports` first."
    )


def test_damage_names_the_file_and_the_fix() -> None:
    error = StoreDamaged("artifacts/clean/ab.parquet", "is missing")
    assert str(error).startswith("artifacts/clean/ab.parquet in the store is missing. Run the same night again")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        # free text, as the reason of a failed step: each URL by itself
        (
            "can't reach https://ann:secret@mlflow.example/api, nor s3://bucket/key",
            "can't reach https://…@mlflow.example/api, nor s3://bucket/key",
        ),
        ("https://ann:secret@a/x (then https://bob:secret@b/y)", "https://…@a/x (then https://…@b/y)"),
        # the URL of a source: a slash and an @ in the password, and a password in the query
        ("postgresql://bob:sec/ret@x@host/d?password=secret", "postgresql://…@host/d?…"),
        # the URL of the Prefect server: a space in the password
        ("http://ann:sec ret@127.0.0.1:4200/api", "http://…@127.0.0.1:4200/api"),
        # the address that `init` is given: a question mark in the password
        ("postgresql://bob:sec?ret@host/d", "postgresql://…"),
        ("postgresql://host/d?user=ann@example.com&password=secret", "postgresql://…"),
        # settings in the message of a driver, and the signature of a presigned URL
        ("login failed: user=ann password=hunter2 host=h", "login failed: user=ann password=… host=h"),
        ("{'token': 'hunter2', 'rows': 3}", "{'token': '…', 'rows': 3}"),
        ('{"aws_secret_access_key": "hunter2+/="}', '{"aws_secret_access_key": "…"}'),
        ("401 for Authorization: Bearer eyJhbGciOi.x", "401 for Authorization: Bearer …"),
        ("404, url='https://b.example/s.csv?X-Amz-Signature=ab12&x=1'", "404, url='https://b.example/s.csv?…"),
        # a value of a YAML document, in quotes
        (repr("mysql://bob:sec/ret word@host/d"), "'mysql://…@host/d'"),
    ],
)
def test_redact_hides_credentials_and_query_of_every_url(text: str, redacted: str) -> None:
    assert errors.redact(text) == redacted
    assert errors.redact(redacted) == redacted


FORMER_PATTERNS = (
    lambda text: re.sub(r"://[^/@\s]*@", "://…@", text),
    lambda text: re.sub(r"://.*@", "://…@", text.split("?", 1)[0]),
    lambda text: re.sub(r"://[^/@]*@", "://…@", text),
    lambda text: re.sub(r"\?.*$", "", re.sub(r"://.*@", "://…@", text)),
    lambda text: re.sub("://.*@", "://…@", text),
)


@pytest.mark.parametrize("former", FORMER_PATTERNS)
@given(password=st.text("1/@:?=&#% '\"\\", max_size=8), query=st.sampled_from(["", "?x=1", "?password=SECRET"]))
def test_redact_is_as_strict_as_each_pattern_that_it_replaced(former: Any, password: str, query: str) -> None:
    url = f"postgresql://bob:SECRET{password}SECRET@host/d{query}"
    assert "SECRET" not in errors.redact(url)
    assert errors.redact(url).count("SECRET") <= former(url).count("SECRET")


@pytest.mark.parametrize(
    "text",
    [
        *("s3://bucket/sales_?.csv", "s3://bucket/day=?/shop=7/*", "mail ann@example.com", "a?b=c"),
        *("source.token: Extra inputs are not permitted", "password=${SHOP_PW}", "the token is wrong", "passes=many"),
    ],
)
def test_redact_leaves_text_without_credentials_as_it_is(text: str) -> None:
    assert errors.redact(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("learning_rate", "learning_rate"),
        ("windows_per_epoch_2", "windows_per_epoch_2"),
        ("departures of 2013, late", "departures of 2013, late"),
        (3, "3"),
        ("postgresql://me:hunter2@h/d", "postgresql://…@h/d"),
        ("password hunter2", "password …"),
        ("token: hunter2", "token …"),
        ("AKIAIOSFODNN7EXAMPLE12", "…"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "…"),
        ("9f86d081884c7d659a2feaa0c55ad015", "…"),
        ("x" * 99, "x" * 60 + "…"),
    ],
)
def test_name_of_a_field_shows_no_secret_that_was_written_in_its_place(name: object, shown: str) -> None:
    assert errors.redact_name(name) == shown
