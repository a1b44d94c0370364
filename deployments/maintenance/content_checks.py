"""Checks of files that are named by their content, and of the cache: the digest is the truth, copies bring it back."""

from collections.abc import Iterator

from deployments.maintenance.finding import Damage, Repair
from deployments.maintenance.store_index import StoreIndex
from tasks.storage.kinds import CONTENT_KINDS, RECORDS, kind_of


def check_digests(index: StoreIndex) -> Iterator[Damage]:
    """Check that every content-addressed file has the digest of its name, and that every reference has its file."""
    for uri in sorted({*index.of_kind(*CONTENT_KINDS), *_referenced(index)}):
        digest, expected = index.digest(uri), kind_of(uri).digest
        if digest != expected:
            yield from _damaged(uri, digest, expected, index)


def check_cache(index: StoreIndex) -> Iterator[Damage]:
    """Check that cached results parse, have their checksum, and refer to files that are intact."""
    parsed = {record.uri: record for record in index.records if record.kind == "cache"}
    for uri in index.of_kind("cache"):
        step = "A night that needs this result computes it again."
        if uri not in parsed or set(parsed[uri].content) != {"result"}:
            message = "is torn or was altered since it was written"
            yield Damage(uri, "bad", message, "", step, Repair("delete", uri))
            continue
        targets = [target.uri for target in index.targets[uri] if kind_of(target.uri).name in CONTENT_KINDS]
        missing = [target for target in targets if index.digest(target) != kind_of(target).digest]
        if missing and not any(index.copies(kind_of(target).digest) for target in missing):
            message = f"refers to {missing[0]}, which is missing or damaged"
            yield Damage(uri, "bad", message, "", step, Repair("delete", uri))


def check_dry_runs(index: StoreIndex) -> Iterator[Damage]:
    """Check the results of dry runs. Nothing refers to them from outside, so a damaged file is deleted."""
    for uri in index.of_kind("dry run"):
        inner = kind_of(index.kinds[uri].rest)
        torn = inner.name in RECORDS and index.read_record(uri) is None
        if torn or (inner.digest and index.digest(uri) != inner.digest):
            message = "is damaged: a result of a dry run"
            step = "Run the dry run again."
            yield Damage(uri, "bad", message, "", step, Repair("delete", uri), index.kinds[uri].pipeline)


def orphans(index: StoreIndex) -> Iterator[Damage]:
    """Report in a note the content-addressed files to which no record refers."""
    unused = [uri for uri in index.of_kind(*CONTENT_KINDS) if uri not in index.references and not _is_copy(uri, index)]
    size = sum(index.files[uri].size for uri in unused)
    if unused:
        more = f", and neither to {len(unused) - 1:,} more files" if len(unused) > 1 else ""
        message = f"is unused: no record refers to it{more}; {size:,} bytes in all"
        step = "Nothing to do; nightcast gc deletes unused files when they are old."
        yield Damage(unused[0], "note", message, "", step)


def _is_copy(uri: str, index: StoreIndex) -> bool:
    """Whether a published file or a record has the same bytes: the artifact is its second copy."""
    return len(index.copies(kind_of(uri).digest)) > 1


def _referenced(index: StoreIndex) -> Iterator[str]:
    """Yield the content-addressed files that a record other than a cached result needs."""
    for uri, references in index.references.items():
        if kind_of(uri).name in CONTENT_KINDS and any(
            reference.record.kind != "cache" and not index.was_collected(reference.record) for reference in references
        ):
            yield uri


def _damaged(uri: str, digest: str | None, expected: str, index: StoreIndex) -> Iterator[Damage]:
    nights, affected = index.nights_of(uri), index.affected(uri)
    pipeline = nights[0].pipeline if nights else kind_of(uri).pipeline
    message = _describe(uri, digest, expected, index)
    copies = [copy for copy in index.copies(expected) if copy != uri]
    if copies:
        step = f"--repair restores it from {copies[0]}, which has the same bytes"
        yield Damage(uri, "bad", message, affected, step, Repair("restore", uri, copies[0]), pipeline)
    elif not index.references.get(uri) and digest is not None:
        step = "Nothing refers to it: --repair moves it away."
        yield Damage(uri, "bad", message, "", step, Repair("move away", uri), pipeline)
    elif not nights:
        if digest is not None:
            step = "Only cached results refer to it: --repair moves it away; a night that needs it computes it again."
            yield Damage(uri, "bad", message, "", step, Repair("move away", uri), pipeline)
    else:
        decision = index.newest_decision(pipeline)
        step = f"No other copy is left. Run the night again: {index.rerun(pipeline, nights[0].night, nights[0].flow)}"
        if decision and (decision.content.get("champion") or {}).get("bundle", {}).get("uri") == uri:
            argument = index.arguments.get(pipeline, pipeline)
            step = f"The store has no other copy. Run nightcast champion restore {argument}"
        yield Damage(uri, "bad", message, affected, step, None, pipeline)


def _describe(uri: str, digest: str | None, expected: str, index: StoreIndex) -> str:
    file = index.files.get(uri)
    if link := index.describe_link(uri):
        return link
    if digest is None:
        return "is missing"
    if not digest:
        return "cannot be read"
    size = f"{file.size:,} bytes with " if file else ""
    return f"has {size}digest {digest[:12]}…, expected {expected[:12]}…"
