import math

import pytest

from mnemoscope.base.text import number, percent, setting


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_is_missing_is_an_en_dash(missing):
    assert number(missing) == percent(missing) == setting(missing) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.0123"),
        (0.5, "0.500"),
        (4096, "4,096"),
        (-2, "−2"),
        (8.7e-9, "8.7\u00a0×\u00a010⁻⁹"),
        (math.inf, "∞"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (1e-8, "10⁻⁸"), (2e-6, "2\u00a0×\u00a010⁻⁶"), (0.0, "0"), (1, "1")],
)
def test_settings_are_written_as_they_were_chosen(value, text):
    assert setting(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0004, "<0.1%"),
        (0.9996, ">99.9%"),
        (0.025, "2.5%"),
        (0.05, "5%"),
        (0.888, "89%"),
        (0.9937, "99.4%"),
    ],
)
def test_only_exact_rates_are_none_or_all(value, text):
    assert percent(value) == text
