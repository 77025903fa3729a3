"""Result objects as tables, for programs and for notebooks."""

import torch

import mnemoscope as mn


def halves(d=3):
    A = torch.diag(torch.tensor([-0.5, 0.25, 0.125])[:d])
    return mn.SelfMap(lambda z: z @ A, (d,))


def test_a_spectrum_is_a_table_of_a_row_for_each_state_and_value():
    frame = mn.spectrum(halves(), torch.zeros(2, 3), k=2).to_frame()
    assert frame["state"].to_list() == [0, 0, 1, 1]
    assert frame["rank"].to_list() == [0, 1, 0, 1]
    assert frame["real"].to_list() == [-0.5, 0.25] * 2
    assert frame["modulus"].to_list() == [0.5, 0.25] * 2
    assert {"imag", "condition", "error_bound", "upper", "converged"} < set(frame.columns)


def test_singular_values_are_a_table_too():
    frame = mn.jacobian_singular_values(halves(), torch.zeros(1, 3), k=3).to_frame()
    assert frame["real"].to_list() == [0.5, 0.25, 0.125]
    assert "imag" not in frame.columns


def test_a_notebook_shows_a_small_table():
    shown = mn.spectrum(halves(), torch.zeros(9, 3), k=2)._repr_html_()
    assert "Spectrum at 9 states" in shown
    assert shown.count("<tr>") == 11
    assert "8 more rows" in shown
