"""The rows that are held at once follow from the memory of the machine, unless they were chosen."""

import pytest

from tasks.intake import partition_size
from tasks.intake.partition_size import partition_rows, partitions_of


@pytest.mark.parametrize(("memory", "rows"), [(64 << 30, 2_000_000), (1 << 29, 1_048_576)])
def test_small_machine_holds_fewer_rows(memory: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_size, "memory_limit", lambda: memory)
    assert partition_rows() == rows


def test_chosen_rows_hold_inside_the_block_alone() -> None:
    default = partition_rows()
    with partitions_of(1000):
        assert partition_rows() == 1000
        with partitions_of(None):
            assert partition_rows() == default
        assert partition_rows() == 1000
    assert partition_rows() == default
