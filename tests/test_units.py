import pytest

from skdistill._units import format_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (2.5e9, "2.5 GB"),
        (3e12, "3000 GB"),
    ],
)
def test_format_bytes(count, text):
    assert format_bytes(count) == text
