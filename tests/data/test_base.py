"""What serves every dataset."""

import pytest

from lumde.data.base import thinned


@pytest.mark.parametrize(
    ("count", "most", "kept"),
    [(0, 3, []), (3, 3, [0, 1, 2]), (4, 3, [0, 2]), (6, 3, [0, 2, 4]), (7, 3, [0, 3, 6]), (7, 1, [0])],
)
def test_thinned_by_hand(count, most, kept):
    assert list(thinned(range(count), most)) == kept
