"""A replay on record counts for the same bytes under the same code, libraries and processor, and for nothing else."""

from collections.abc import Callable

import pytest

from tasks.modeling import golden_replay
from tasks.modeling.candidate import Candidate
from tasks.modeling.golden_replay import GoldenReplay, current_conditions, is_replayed

Model = Callable[..., Candidate]


@pytest.fixture
def champion(model: Model) -> Candidate:
    return model("gru", 0.1, "champion", "3")


def replay_of(champion: Candidate, **changes: str) -> GoldenReplay:
    return GoldenReplay(bundle=champion.bundle.digest, conditions=current_conditions() | changes)


def test_replay_of_the_same_bytes_here_counts(champion: Candidate) -> None:
    assert is_replayed(champion, [None, replay_of(champion)])


def test_replay_of_another_bundle_does_not_count(champion: Candidate, model: Model) -> None:
    assert not is_replayed(champion, [replay_of(model("gru", 0.2))])


@pytest.mark.parametrize("changed", ["code", "nightcast", "torch", "numpy", "python", "processor"])
def test_replay_under_other_conditions_does_not_count(champion: Candidate, changed: str) -> None:
    assert not is_replayed(champion, [replay_of(champion, **{changed: "other"})])


def test_pipeline_without_replays_has_none_on_record(champion: Candidate) -> None:
    assert not is_replayed(champion, [])


def test_changed_code_of_the_models_changes_its_digest(tmp_path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    first = golden_replay._digest_sources(tmp_path)
    (tmp_path / "a.py").write_text("A = 2\n")
    second = golden_replay._digest_sources(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, golden_replay._digest_sources(tmp_path)}) == 3


def test_processor_is_named_by_its_model(tmp_path, monkeypatch) -> None:
    names = tmp_path / "cpuinfo"
    names.write_text("processor\t: 0\nmodel name\t: AMD EPYC 7R13\n")
    monkeypatch.setattr(golden_replay, "PROCESSOR_NAMES", names)
    monkeypatch.setattr(golden_replay.platform, "machine", lambda: "x86_64")
    assert golden_replay._processor() == "x86_64 AMD EPYC 7R13"
    names.unlink()
    assert golden_replay._processor() == "x86_64"
