"""The page of two audits: verdicts, measures, the examples that changed; it fetches nothing."""

import dataclasses
import re

import polars as pl
import pytest

from mnemoscope.base.stats import Rate
from mnemoscope.report.charts import recall_panels
from mnemoscope.report.comparison import measure_rows, write_comparison_page
from mnemoscope.results.comparison import compare

from .example_audit import edge_audit, full_audit
from .test_page import HOSTILE, Page


def mitigated(audit, lost=(0, 1, 2), gained=(), **summary):
    """The audit with some examples no longer stored, and others newly."""
    index = pl.col("index")
    stored = pl.when(index.is_in(lost)).then(False).when(index.is_in(gained)).then(True)
    attractor = pl.when(index.is_in(lost)).then(-1).otherwise("attractor")
    examples = audit.examples.with_columns(stored=stored.otherwise("stored"), attractor=attractor)
    count = int(examples["stored"].sum())
    stored = Rate.of(count, examples.height)
    return dataclasses.replace(
        audit.with_summary(stored=stored, **summary),
        examples=examples,
        provenance={**audit.provenance, "training": {"optimizer": "adam", "weight_decay": 0.1}},
    )


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    before = full_audit()
    comparison = compare(before, mitigated(before, gained=[19]))
    path = write_comparison_page(comparison, tmp_path_factory.mktemp("page") / "page.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_verdicts_come_first(page):
    words = " ".join(page.words)
    before = full_audit()
    after = mitigated(before, gained=[19])
    first = words.index(compare(before, after).verdict)
    both = [words.index(before.verdict), words.index(after.verdict)]
    assert first < both[0] < both[1] < words.index("How much is memorized")
    assert "1 that was not stored before is now" in words


def test_measures_have_intervals(page):
    words = " ".join(page.words)
    assert "examples stored 18 of 20" in words
    assert "−10.0" in words
    assert "within chance" in words
    assert "more measures" in words


def test_examples_that_changed_are_shown_with_where_they_ended(page):
    shown = [attrs["data-example"] for attrs in page.all("li") if "data-example" in attrs]
    assert shown == ["0", "1", "2", "19"]
    words = " ".join(page.words)
    assert words.index("No longer stored") < words.index("Newly stored")
    # Three of the lost ended at an attractor before and at none after; 19 neither before nor after.
    assert sum(word == "no attractor" for word in page.words) == 3 + 2
    assert sum(attrs["alt"].startswith("Where the orbit") for attrs in page.all("img")) == 3


def test_what_was_changed_is_reported(page):
    assert "training: weight decay" in page.words


def test_it_fetches_nothing(page, text):
    assert all(attrs["src"].startswith("data:image/png") for attrs in page.all("img"))
    assert not page.all("link")
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert text.count("data-chart=") == 7


def test_nothing_of_it_is_run_as_code(tmp_path):
    before = full_audit()
    after = mitigated(before, name=HOSTILE, certified_missing=HOSTILE)
    after = dataclasses.replace(after, provenance={"data": HOSTILE, "spec": {HOSTILE: HOSTILE}})
    path = write_comparison_page(compare(before, after), tmp_path / "page.html")
    text = path.read_text()
    assert "<img src=x" not in text
    assert "{{7*7}}" in text
    assert text.count("</script>") == text.count("<script")


def test_the_edge_of_everything(tmp_path):
    comparison = compare(edge_audit(), edge_audit())
    text = write_comparison_page(comparison, tmp_path / "page.html").read_text()
    words = " ".join(Page(text).words)
    assert "1 stored in neither" in words
    assert not re.search(r"\b(nan|None|NaN)\b", words)


def test_many_changes_are_capped_and_reported(tmp_path):
    before = full_audit(100)
    comparison = compare(before, mitigated(before, lost=range(80)))
    text = write_comparison_page(comparison, tmp_path / "page.html").read_text()
    assert "Showing 60 of 80." in text
    assert text.count("data-example=") == 60


def test_differences_have_their_sign():
    before = full_audit()
    table = compare(before, mitigated(before, spurious=5)).table
    message = {row.name: row for row in measure_rows(table)}
    assert message["examples stored"].difference == "−15.0"
    assert message["spurious attractors"].difference == "+3"
    assert message["spurious attractors"].interval == ""
    assert message["limit cycles"].difference == "0"
    assert message["recalled: noise of standard deviation 0.1"].difference == "0"


def test_only_what_both_tried_is_drawn():
    curves = full_audit().curves
    some = curves.filter(pl.col("corruption").is_in(["blur", "mix"]))
    labels = full_audit().summary.corruptions

    def drawn(after):
        sides = {"before": curves, "after": after}
        both = [table.with_columns(audit=pl.lit(side)) for side, table in sides.items()]
        return list(recall_panels(pl.concat(both), labels))

    assert drawn(some) == ["blur", "mix"]
    assert drawn(curves.clear()) == []
