"""Every error a user can meet, and the exit code it ends with.

NightcastError 1
├── SpecError 2            a pipeline, contract or argument is wrong: nothing ran
├── ContractBroken 3       data broke its contract: nothing new was published
│   └── SourceUnreadable 3 the source is missing, empty or no table at all
├── NoChampion 4           there is no model to forecast with
├── LeaseHeld 1            another run writes to the pipeline: nothing ran
├── LeaseLost 1            another run has taken over: this one may write no more
├── NightsFailed 1         some nights of a backfill failed; ends with the code of the first of them
├── TrainingFailed 1       one model could not be trained; the night goes on without it
│   └── MemoryTooShort 1 one model was trained, and can't see one season back
└── StoreDamaged 1         a stored file is missing or is not what its name says
"""

import re
from collections.abc import Mapping, Sequence

# The credentials of a URL end at the last @ of the line or before the next URL: a password may hold /, @ and spaces.
URL = re.compile(r"://((?:(?!\s[('\"<]*[a-z][\w+.-]*://).)*@)?([^\s?]*)(\?[^\s/=]+=\S*)?", re.IGNORECASE)


def redact(text: str) -> str:
    """Replace the credentials and the query of every URL in `text` by an ellipsis; what is in doubt is hidden too."""
    return URL.sub(_redact_url, text)


def _redact_url(match: re.Match[str]) -> str:
    credentials, rest, query = match.groups()
    if credentials and "?" in credentials:  # part of a password, or the query: either may be secret
        return "://…"
    return f"://{'…@' if credentials else ''}{rest}{'?…' if query else ''}"


class NightcastError(Exception):
    """Says what, where, with which values, and what to do next."""

    exit_code = 1


class SpecError(NightcastError):
    """The pipeline YAML, a contract or an argument is wrong."""

    exit_code = 2


class ContractBroken(NightcastError):
    """Data broke its contract; carries the findings and, where rows are at fault, their quarantine."""

    exit_code = 3

    def __init__(self, table: str, findings: Sequence[str], quarantine: str | None = None) -> None:
        self.table, self.findings, self.quarantine = table, list(findings), quarantine
        lines = [f"{table} broke its contract, so nothing new was published:"]
        lines += [f"  - {finding}" for finding in self.findings]
        if quarantine:
            lines.append(f"The rejected rows, each with its rule and reason: {quarantine}")
        super().__init__("\n".join(lines))


class SourceUnreadable(ContractBroken):
    """The source is missing, empty, or can't be read as the table that the spec names."""


class NoChampion(NightcastError):
    """No model was ever good enough to be champion, or none fits the spec any more."""

    exit_code = 4

    def __init__(self, pipeline: str, reason: str) -> None:
        self.pipeline, self.reason = pipeline, reason
        super().__init__(
            f"pipeline {pipeline!r} has no champion to forecast with: {reason}. "
            f"Run `nightcast nightly {pipeline}` or `nightcast retrain {pipeline}` first."
        )


class LeaseHeld(NightcastError):
    """Another run writes to this pipeline, and was not done in time."""

    def __init__(self, pipeline: str, holder: str, waited: float) -> None:
        self.pipeline, self.holder = pipeline, holder
        super().__init__(
            f"pipeline {pipeline!r} has one writer at a time, and now it is {holder}. This run waited {waited:.0f} s "
            "and changed nothing. Run it again when that run is done, or let it wait longer: NIGHTCAST_LEASE_WAIT, in "
            "seconds. If that process hangs, end it: on the same machine the next run then takes over at once, "
            "elsewhere when the lease has run out."
        )


class LeaseLost(NightcastError):
    """This run may no longer write to its pipeline; whatever it wrote before is whole."""

    def __init__(self, pipeline: str, why: str) -> None:
        self.pipeline = pipeline
        super().__init__(
            f"this run may no longer write to pipeline {pipeline!r}: its lease {why}. Nothing was written since. Run "
            "the night again if it is not there: finished steps are not done twice."
        )


class NightsFailed(NightcastError):
    """Some nights of a backfill could not be run; the others were. Ends with the exit code of the first."""

    def __init__(self, pipeline: str, failed: Mapping[str, NightcastError], published: int) -> None:
        self.pipeline, self.failed = pipeline, dict(failed)
        self.exit_code = next(iter(failed.values())).exit_code
        lines = [f"pipeline {pipeline!r}: {published} nights were published, {len(failed)} failed:"]
        lines += [f"  - {night}: {error}" for night, error in failed.items()]
        super().__init__("\n".join(lines))


class TrainingFailed(NightcastError):
    """One model could not be trained."""

    fate = "could not be trained"

    def __init__(self, model: str, reason: str, hint: str) -> None:
        self.model, self.reason, self.hint = model, reason, hint
        super().__init__(f"model {model!r} {self.fate}: {reason}. {hint}")


class MemoryTooShort(TrainingFailed):
    """One model was trained, and the spec wants none that depends on less than one season."""

    fate = "is refused"

    def __init__(self, model: str, effective: int, season: int, reason: str) -> None:
        self.effective, self.season = effective, season
        ways = "a longer windowing.lookback, a gated cell (lstm or gru) or a longer segment"
        super().__init__(model, reason, f"Give it {ways}, or take it as it is with training.memory: warn.")


class StoreDamaged(NightcastError):
    """A stored file is missing, truncated, or holds other bytes than its name says."""

    def __init__(self, uri: str, reason: str) -> None:
        self.uri, self.reason = uri, reason
        super().__init__(f"{uri} in the store {reason}. Run the same night again: what can be recomputed will be.")
