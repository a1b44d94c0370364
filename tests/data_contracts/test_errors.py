"""What a person reads when something is wrong, and the exit code a script gets."""

import re
from pathlib import Path

import pytest

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


def test_url_is_redacted() -> None:
    told = errors.redact("can't reach https://ann:secret@mlflow.example/api, nor s3://bucket/key")
    assert told == "can't reach https://…@mlflow.example/api, nor s3://bucket/key"
