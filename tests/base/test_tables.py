"""Tables for notebooks."""

import polars as pl

from mnemoscope.base.tables import table_html


def test_what_a_table_holds_is_escaped():
    shown = table_html("<b>", pl.DataFrame({"<i>": ["<script>"], "x": [0.25]}))
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "<script>" not in shown
    assert "0.25" in shown


def test_long_tables_say_how_many_rows_are_not_shown():
    assert "2,990 more rows" in table_html("t", pl.DataFrame({"x": range(3000)}))
    assert "more rows" not in table_html("t", pl.DataFrame({"x": range(3)}))
