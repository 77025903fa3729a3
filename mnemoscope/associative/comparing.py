"""Associative memories side by side: what each stores and recalls, and the bytes it takes."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.measure import AuditOptions, AuditRun, audit
from mnemoscope.results import Audit

COLUMNS = {
    "memory": pl.String,
    "bytes": pl.Int64,
    "examples": pl.Int64,
    "stored": pl.Int64,
    "spurious_share": pl.Float64,
    "corruption": pl.String,
    "strength": pl.Float64,
    "recalled": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
"""The columns of the comparison: `bytes` of parameters and buffers, `stored` of `examples` distinct
ones, the share of starts from noise that end at a spurious attractor, and the share of corrupted
copies that are recalled, with its 95% interval."""


def comparison(audits: Mapping[str, tuple[nn.Module, Audit]]) -> pl.DataFrame:
    """Builds the table of memories that were audited alike, in their order."""
    rows = [
        {
            "memory": name,
            "bytes": size_in_bytes(net),
            "examples": result.summary.stored.total,
            "stored": result.summary.stored.count,
            "spurious_share": spurious_share(result),
            "corruption": row["corruption"],
            "strength": row["strength"],
            "recalled": row["rate"],
            "low": row["low"],
            "high": row["high"],
        }
        for name, (net, result) in audits.items()
        for row in result.curves.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=COLUMNS)


def audited(
    memories: Mapping[str, nn.Module],
    X: Float[Tensor, "n *shape"],
    options: AuditOptions,
    *,
    seed: int,
    run: AuditRun | None = None,
) -> dict[str, tuple[nn.Module, Audit]]:
    """Audits memories of the same examples with the same options and seed.

    `run` is that of the first one; the others report their progress alike, and nothing is proved
    of them.
    """
    own, results = run or AuditRun(), dict[str, tuple[nn.Module, Audit]]()
    for name, net in memories.items():
        if results:
            own = replace(own, name=name, checkpoint=None)
            options = replace(options, certificates=0)
        results[name] = net, audit(net, X, options, seed=seed, run=own)
    return results


def size_in_bytes(net: nn.Module) -> int:
    """Returns the bytes of a module's parameters and buffers."""
    tensors = [*net.parameters(), *net.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def spurious_share(result: Audit) -> float:
    """Returns the share of all starts from noise that ended at spurious attractors."""
    starts = result.starts
    return float(starts["at_spurious"].sum()) / max(1, int(starts["starts"].sum()))
