"""Columns that packages add to the table of examples."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.quantity import Quantity
from mnemoscope.measure import Column, Interrupted
from mnemoscope.measure.columns import COLUMNS

X = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
FEW = {"starts": 10, "trials": 1}


def f(z):
    return 0.5 * (z + X[0])


@pytest.fixture
def added(monkeypatch):
    """Adds a column, as an installed package does."""

    def add(take, name="mine", kind="number"):
        column = Column(Quantity(name, kind, "my own"), take)
        monkeypatch.setitem(vars(COLUMNS), "_by_name", {name: column})

    return add


@pytest.mark.parametrize(
    ("kind", "values"),
    [("number", [1.5, None]), ("count", [3, 4]), ("truth", [True, None]), ("text", ["a", "b"])],
)
def test_a_column_has_the_dtype_of_its_kind(added, kind, values):
    added(lambda subject: values, kind=kind)
    table = mn.audit(f, X, **FEW).examples
    assert table["mine"].to_list() == values
    assert table["mine"].dtype == Quantity("mine", kind, "my own").dtype


def test_not_a_number_is_missing(added):
    added(lambda subject: torch.tensor([float("nan"), 2.0]))
    assert mn.audit(f, X, **FEW).examples["mine"].to_list() == [None, 2.0]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1.0], {}),
        (torch.zeros(2, 2), {}),
        ([0.0, 0.0], {"name": "residual"}),
        ([0.0, 0.0], {"kind": "image"}),
    ],
)
def test_a_column_that_does_not_fit_the_table_is_refused(added, values, options):
    added(lambda subject: values, **options)
    with pytest.raises(mn.MnemoscopeError) as error:
        mn.audit(f, X, **FEW)
    assert error.value.field == options.get("name", "mine")


def test_a_column_that_was_not_reached_before_ctrl_c_is_null(added):
    def interrupted(subject):
        raise KeyboardInterrupt

    added(interrupted)
    with pytest.raises(Interrupted) as error:
        mn.audit(f, X, **FEW)
    result = error.value.result
    assert result.examples["mine"].null_count() == 2
    assert "columns of mine" in result.summary.partial


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("number", [0.125, None], "0.125"),
        ("truth", [True, False], "yes"),
        ("text", ["<b>one</b>", "two"], "&lt;b&gt;one&lt;/b&gt;"),
    ],
)
def test_the_page_shows_a_column_with_its_label(added, tmp_path, kind, values, shown):
    added(lambda subject: values, kind=kind)
    page = mn.write_report(mn.audit(f, X, **FEW), tmp_path / "report.html").read_text("utf-8")
    assert "<dt>my own</dt>" in page
    assert f'<span class="value">{shown}</span>' in page.replace("\n", "")
