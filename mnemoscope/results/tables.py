"""The columns of an audit's tables: the one place that names them."""

import polars as pl

NOISE = ("gaussian", 0.1)
"""The corruption of `recall_rate` and of the verdict."""

SCORES = ("residual", "spectral_radius", "operator_norm", "distance_moved", "loss")
"""Scores for membership. A low score indicates a member."""

BASELINE = "loss"
"""The score that the others are compared with."""

EXAMPLES: dict[str, pl.DataType] = {
    "index": pl.Int64(),
    "residual": pl.Float64(),
    "loss": pl.Float64(),
    "spectral_radius": pl.Float64(),
    "operator_norm": pl.Float64(),
    "fixed_point_distance": pl.Float64(),
    "fixed_point_spectral_radius": pl.Float64(),
    "stored": pl.Boolean(),
    "recall_rate": pl.Float64(),
    "recall_low": pl.Float64(),
    "recall_high": pl.Float64(),
    "basin_fraction": pl.Float64(),
    "span_distance": pl.Float64(),
    "attractor": pl.Int64(),
    "spectral_radius_low": pl.Float64(),
    "spectral_radius_high": pl.Float64(),
    "certified_radius": pl.Float64(),
    "certified_rate": pl.Float64(),
    "upper": pl.Float64(),
    "error_bound": pl.Float64(),
    "contractive": pl.String(),
    "disclosed": pl.Boolean(),
    "indistinguishable": pl.Boolean(),
    "nearest_attractor": pl.Int64(),
    "nearest_attractor_distance": pl.Float64(),
}
"""A row for each training example; `attractor` is the id where its own orbit ends (-1: none),
`nearest_attractor` that of the attractor nearest to it, whichever orbit found it (-1: none found).
Distances and residuals are RMS over entries, in units; `loss` is in squared units. `stored`,
`disclosed` and `indistinguishable` are defined in `mnemoscope.dynamics.stored`.

`upper` bounds the spectral radius, and `error_bound` how far `spectral_radius` is from it; empty
where there is no bound. `contractive` is `yes` where `upper` is below 1, `no` where
`spectral_radius` is above 1 by more than its error, else `undecided`.

`spectral_radius_low` and `_high` are there for maps without derivatives, `certified_radius` and
`_rate` where the attractor is proved to be one."""

ATTRACTORS: dict[str, pl.DataType] = {
    "id": pl.Int64(),
    "kind": pl.String(),
    "period": pl.Int64(),
    "spectral_radius": pl.Float64(),
    "basin_fraction": pl.Float64(),
    "basin_low": pl.Float64(),
    "basin_high": pl.Float64(),
    "starts": pl.Int64(),
    "nearest_example": pl.Int64(),
    "distance": pl.Float64(),
    "spurious": pl.Boolean(),
}
"""A row for each attractor found; `kind` is `fixed_point` or `cycle`."""

CURVES: dict[str, pl.DataType] = {
    "corruption": pl.String(),
    "strength": pl.Float64(),
    "trials": pl.Int64(),
    "recalled": pl.Int64(),
    "rate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
}
"""Recall over all examples: a row for each corruption and strength."""

RECALL: dict[str, pl.DataType] = {"example": pl.Int64(), **CURVES}
"""A row for each example, corruption and strength."""

STARTS: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "starts": pl.Int64(),
    "at_examples": pl.Int64(),
    "at_spurious": pl.Int64(),
    "at_cycles": pl.Int64(),
    "unsettled": pl.Int64(),
    "diverged": pl.Int64(),
    "left_domain": pl.Int64(),
    "not_attracting": pl.Int64(),
    "examples_reached": pl.Int64(),
    "attractors_reached": pl.Int64(),
    "unseen": pl.Float64(),
    "applications": pl.Int64(),
}
"""A row for each distribution of starts: where its orbits ended.

`examples_reached` counts the stored examples whose attractor one of them reached; `unseen` is Good
and Turing's share; `applications` of the map were made in all of these orbits together.
`left_domain` counts orbits that came to a state, or began at one, that the map does not take.
`starts = at_examples + at_spurious + at_cycles + unsettled + diverged + left_domain +
not_attracting`.
"""

BASINS: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "attractor": pl.Int64(),
    "starts": pl.Int64(),
    "total": pl.Int64(),
    "fraction": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
}
"""A row for each distribution of starts and each attractor that it reached."""

SPECTRA: dict[str, pl.DataType] = {
    "example": pl.Int64(),
    "rank": pl.Int64(),
    "real": pl.Float64(),
    "imag": pl.Float64(),
    "modulus": pl.Float64(),
    "residual": pl.Float64(),
}
"""Leading eigenvalues of the Jacobian at each example, largest modulus first (`rank` from 0)."""

HISTORY: dict[str, pl.DataType] = {
    "step": pl.Int64(),
    "seconds": pl.Float64(),
    "loss": pl.Float64(),
    "lr": pl.Float64(),
}
"""The training's history, where the network carries its training record; else no rows."""

PLANE: dict[str, pl.DataType] = {
    "u": pl.Float64(),
    "v": pl.Float64(),
    "attractor": pl.Int64(),
}
"""Where starts on the plane through three examples end: attractor id, -1 for none."""

MEMBERSHIP: dict[str, pl.DataType] = {
    "member": pl.Boolean(),
    "index": pl.Int64(),
    **dict.fromkeys(SCORES, pl.Float64()),
}
"""A row for each example and each held-out state; `index` counts within its own kind."""

ROC: dict[str, pl.DataType] = {
    "score": pl.String(),
    "fpr": pl.Float64(),
    "tpr": pl.Float64(),
}
"""Corners of the ROC curve of each score, from (0, 0) to (1, 1)."""

SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "examples": EXAMPLES,
    "attractors": ATTRACTORS,
    "recall": RECALL,
    "curves": CURVES,
    "starts": STARTS,
    "basins": BASINS,
    "spectra": SPECTRA,
    "history": HISTORY,
    "plane": PLANE,
    "membership": MEMBERSHIP,
    "roc": ROC,
}
