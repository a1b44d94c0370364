"""The errors that several packages raise, with the exit code of each. Errors of one package are subclasses there.

NightcastError 1
├── SpecError 2            a pipeline, contract or argument is wrong; nothing ran
│   └── ContractExpired 2  the contract has passed its endOfLife
├── ContractBroken 3       data broke its contract; nothing new was published
│   └── SourceUnreadable 3 the source is empty, or not a table
│       └── ColumnsDiffer 3 the source has other columns
├── NoChampion 4           no stored model can forecast
├── LeaseHeld 1            another run holds the lease of the pipeline; nothing ran
├── LeaseLost 1            another run took the lease; this run stopped writing
├── RunInterrupted 1       a signal stopped the run; finished steps stay in the cache
├── NightsFailed 1         nights of a backfill failed; the exit code is that of the first one
├── TrainingFailed 1       one model could not be trained; the night continues without it
│   └── MemoryTooShort 1   a trained model depends on less than one season
└── StoreDamaged 1         a stored file is missing or does not match its digest
"""

import re
from collections.abc import Mapping, Sequence

# The credentials of a URL end at the last @ of the line or before the next URL: a password may hold /, @ and spaces.
URL = re.compile(r"://((?:(?!\s[('\"<]*[a-z][\w+.-]*://).)*@)?([^\s?]*)(\?[^\s/=]+=\S*)?", re.IGNORECASE)

# Values of settings that are written into a text: password=…, 'token': '…', Authorization: Bearer …; not ${NAME}.
CREDENTIAL_WORDS = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|credential|signature|(?:api|access|account)[_-]?key|\bsig\b"
)
MIN_SECRET_CHARACTERS = 4
ASSIGNED = re.compile(
    rf"((?<![\w-])[\w-]*(?:{CREDENTIAL_WORDS})[\w-]*(?:\s*=\s*[\"']?|[\"']\s*[:=]\s*[\"']))(?!\$\{{)"
    rf"[^\s\"'&;,)]{{{MIN_SECRET_CHARACTERS},}}",
    re.IGNORECASE,
)
AUTHORIZATION = re.compile(
    r"(authorization[\"']?\s*[:=]\s*[\"']?(?:basic |bearer |token )?|bearer )\S{8,}", re.IGNORECASE
)
# A name of a field that mixes letters and digits at this length is a key or a token that was written in its place.
TOKEN = re.compile(r"(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)[\w+/=-]{16,}|(?=(?:\w*\d){2})\w{16,}")
MAX_NAME_CHARACTERS = 60


def redact(text: str) -> str:
    """Hide the credentials and the query of every URL, and secret settings; what is in doubt is hidden too."""
    return redact_settings(URL.sub(_redact_url, text))


def redact_settings(text: str) -> str:
    """Replace what follows password=, 'token': and the like by an ellipsis."""
    return AUTHORIZATION.sub(r"\1…", ASSIGNED.sub(r"\1…", text))


def redact_name(name: object) -> str:
    """Return the name of a field for a message: a secret may have been written in its place."""
    shown = TOKEN.sub("…", redact(str(name)))
    shown = re.sub(rf"({CREDENTIAL_WORDS})[\s:=].*", r"\1 …", shown, flags=re.IGNORECASE | re.DOTALL)
    return shown if len(shown) <= MAX_NAME_CHARACTERS else f"{shown[:MAX_NAME_CHARACTERS]}…"


def _redact_url(match: re.Match[str]) -> str:
    credentials, rest, query = match.groups()
    if credentials and "?" in credentials:  # part of a password, or the query: either may be secret
        return "://…"
    return f"://{'…@' if credentials else ''}{rest}{'?…' if query else ''}"


class NightcastError(Exception):
    """Base of all errors for users: the message says what is wrong, where, and what to do.

    `headline` and `advice` head the page of a night that ended with the error; no advice if the message has it.
    """

    exit_code = 1
    headline = "The night stopped: nothing new was published."
    advice = ""


class SpecError(NightcastError):
    """The pipeline YAML, a contract or an argument is invalid."""

    exit_code = 2
    headline = "The pipeline cannot run as it is written: nothing new was published."


class ContractExpired(SpecError):
    """The contract of the source no longer holds at the as-of."""

    headline = "The contract of the source has expired: nothing new was published."


class ContractBroken(NightcastError):
    """Data broke its contract. Carries the findings and the quarantine of the rejected rows, if any."""

    exit_code = 3
    headline = "Nothing new was published: the data broke its contract."
    advice = "Fix the source, or the contract, and run the same night again."
    summary = "broke its contract. Nothing new was published:"

    def __init__(self, table: str, findings: Sequence[str], quarantine: str | None = None) -> None:
        self.table, self.findings, self.quarantine = table, list(findings), quarantine
        if quarantine:
            self.advice = "Fix the rows listed below, or the rule, and run the same night again."
        lines = [f"{table} {self.summary}"]
        lines += [f"  - {finding}" for finding in self.findings]
        if quarantine:
            lines.append(f"Rejected rows with rule and reason: {quarantine}")
        super().__init__("\n".join(lines))


class SourceUnreadable(ContractBroken):
    """The source is empty, or cannot be read as the table that the spec describes."""

    headline = "The source cannot be read as its table: nothing new was published."
    advice = "Correct the source, or its description in the pipeline, and run the same night again."


class ColumnsDiffer(SourceUnreadable):
    """The source lacks, renamed or repeats a column that the pipeline uses."""

    headline = "The columns of the source are not those of the pipeline: nothing new was published."
    advice = "Restore them in the source, or name the new ones in the pipeline, and run the same night again."


class NoChampion(NightcastError):
    """The pipeline has no champion, or its champion no longer fits the spec."""

    exit_code = 4
    headline = "No model can forecast: nothing new was published."

    def __init__(self, pipeline: str, reason: str) -> None:
        self.pipeline, self.reason = pipeline, reason
        super().__init__(
            f"pipeline {pipeline!r} has no champion to forecast with: {reason}. "
            f"Run `nightcast nightly {pipeline}` or `nightcast retrain {pipeline}` first."
        )


class LeaseHeld(NightcastError):
    """Another run held the lease of the pipeline for longer than this run waits."""

    def __init__(self, pipeline: str, holder: str, waited: float) -> None:
        self.pipeline, self.holder = pipeline, holder
        super().__init__(
            f"pipeline {pipeline!r} is locked by another run: {holder}. Waited {waited:.0f} s; nothing was changed. "
            "Retry when that run has finished, or raise NIGHTCAST_LEASE_WAIT (seconds). If that process hangs, stop "
            "it: on the same machine the lock is then released at once, elsewhere when the lease expires."
        )


class LeaseLost(NightcastError):
    """This run lost the lease of its pipeline. Everything it wrote before is complete."""

    def __init__(self, pipeline: str, why: str) -> None:
        self.pipeline = pipeline
        super().__init__(
            f"this run can no longer write to pipeline {pipeline!r}: its lease {why}. Nothing was written since. "
            "If the night is missing, run it again: finished steps are taken from the cache."
        )


class RunInterrupted(NightcastError):
    """A signal stopped the run. What it had written is complete."""

    headline = "A signal stopped the night."

    def __init__(self, signal: str, activity: str) -> None:
        self.signal, self.activity = signal, activity
        super().__init__(
            f"{signal} stopped this run {activity}. What was published before is complete and unchanged. Run the same "
            "command again: finished steps are taken from the cache."
        )

    @classmethod
    def caused_by(cls, received: BaseException, activity: str) -> "RunInterrupted | None":
        """Return the error for an exception that a signal handler raised; None if `received` has another cause."""
        if isinstance(received, KeyboardInterrupt):
            return cls(str(received) or "SIGINT", activity)
        if type(received).__name__ == "TerminationSignal":  # of the handler that Prefect installs during a flow
            return cls("SIGTERM", activity)
        return None


class NightsFailed(NightcastError):
    """Nights of a backfill failed. The exit code is that of the first failed night."""

    def __init__(self, pipeline: str, failed: Mapping[str, NightcastError], published: int) -> None:
        self.pipeline, self.failed = pipeline, dict(failed)
        self.exit_code = next(iter(failed.values())).exit_code
        lines = [f"pipeline {pipeline!r}: {published} nights published, {len(failed)} failed:"]
        lines += [f"  - {night}: {error}" for night, error in failed.items()]
        super().__init__("\n".join(lines))


class TrainingFailed(NightcastError):
    """One model could not be trained."""

    outcome = "could not be trained"

    def __init__(self, model: str, reason: str, hint: str) -> None:
        self.model, self.reason, self.hint = model, reason, hint
        super().__init__(f"model {model!r} {self.outcome}: {reason}. {hint}")


class MemoryTooShort(TrainingFailed):
    """A trained model depends on less than one season, and training.memory is fail."""

    outcome = "is rejected"

    def __init__(self, model: str, effective: int, season: int, reason: str) -> None:
        self.effective, self.season = effective, season
        ways = "a longer windowing.lookback, a gated cell (lstm or gru) or a longer segment"
        super().__init__(model, reason, f"Set {ways}, or accept the model with training.memory: warn.")


class StoreDamaged(NightcastError):
    """A stored file is missing, truncated, or does not match its digest."""

    headline = "A file of the store is damaged: nothing new was published."

    def __init__(self, uri: str, reason: str) -> None:
        self.uri, self.reason = uri, reason
        advice = "Run the same night again: everything that can be recomputed is recomputed."
        if uri.startswith("artifacts/bundle/"):
            advice = "If it is the champion's, run nightcast champion restore with the name of the pipeline."
        super().__init__(f"{uri} in the store {reason}. {advice}")
