"""The tables of an extraction."""

import pytest
import torch

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.extracting import estimates_table
from mnemoscope.extraction.search import Part, Search


def test_a_row_for_each_kind_for_noise_and_for_all():
    labels = {"uniform": [0, 0, 1, -1], "pink": [1, 2], "bred": [3, 3, 2], "given": [4]}
    parts = tuple(Part(0, kind, torch.tensor(own), 5, 0.0) for kind, own in labels.items())
    none = torch.empty(0, dtype=torch.int64)
    atlas = Atlas(torch.empty(0, 2), none, none, torch.empty(0), torch.empty(0))
    table = estimates_table(Search(atlas, parts, "nothing new", Range()))
    assert table["pool"].to_list() == [*labels, "noise", "all"]
    rows = {row["pool"]: row for row in table.to_dicts()}
    counts = {"starts": 4, "ended": 3, "found": 2, "once": 1, "twice": 1, "unseen": 1 / 3}
    assert {name: rows["uniform"][name] for name in counts} == counts
    assert (rows["noise"]["starts"], rows["noise"]["found"]) == (6, 3)
    # Of all: 0 twice, 1 twice, 2 twice, 3 twice, 4 once.
    assert (rows["all"]["starts"], rows["all"]["once"], rows["all"]["twice"]) == (10, 1, 4)
    assert rows["all"]["unseen"] == pytest.approx(1 / 9)
