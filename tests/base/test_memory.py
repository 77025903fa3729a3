import pytest

from mnemoscope.base import memory
from mnemoscope.base.memory import batch_size_within, free_memory


def test_free_memory_is_a_plausible_number_of_bytes():
    assert 2**20 < free_memory() < 2**50


@pytest.mark.parametrize(
    ("bytes_per_state", "largest", "size"),
    [(100, None, 25), (100, 10, 10), (10_000, None, 1), (0, 7, 7)],
)
def test_batches_fill_a_quarter_of_what_is_free(monkeypatch, bytes_per_state, largest, size):
    monkeypatch.setattr(memory, "free_memory", lambda device: 10_000)
    assert batch_size_within(bytes_per_state, largest=largest) == size
