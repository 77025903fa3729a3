"""Which stored examples are proved to be: a certificate for the attractor of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Rate
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.states import rms
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.theory import certify_all

SAME = 1e-4
"""The center of a certificate lies within this distance (RMS, in units) of its attractor: in
float64 it is sought anew, and where that fails the search may come to another one."""


@dataclass(frozen=True)
class Certified:
    """What is proved of the examples."""

    # `(n,)`, Euclidean, in units, of the ball around the example's attractor from which every orbit
    # is proved to converge to it, and the proved contraction factor there; NaN: nothing is proved.
    radius: Tensor
    rate: Tensor
    # `(n,)`, whether an example is the first of those that equal it.
    distinct: Tensor
    # Distinct examples with a certificate sought, or not stored.
    tried: int
    # Why no certificate was sought; None if they were.
    why_not: str | None

    @classmethod
    def none(cls, examined: Examined, why_not: str) -> "Certified":
        """Returns that nothing is proved, since nothing was sought."""
        distinct = examined.radii.distinct.cpu()
        radius, rate = torch.full((2, len(distinct)), torch.nan, dtype=torch.float64)
        return cls(radius, rate, distinct, examined.radii.total, why_not)

    @property
    def certified(self) -> Rate | None:
        """The distinct examples proved to be stored; None where no certificate was sought."""
        count = int((torch.isfinite(self.radius) & self.distinct).sum())
        return None if self.why_not else Rate.of(count, self.tried)


def certify_examples(subject: Subject, atlas: Atlas, examined: Examined) -> Certified:
    """Seeks a certificate for the fixed point of every stored example; cycles have none."""
    f, most = subject.f, subject.options.certificates
    distinct = examined.radii.distinct.cpu()
    n = examined.radii.total
    radius, factor = torch.full((2, len(distinct)), torch.nan, dtype=torch.float64)
    labels = examined.attractor.cpu()
    stored = examined.stored.cpu()
    wanted = labels[stored].unique()
    wanted = wanted[(atlas.period.cpu() == 1)[wanted]]
    chosen = wanted[:most]
    left_out = int((stored & distinct & torch.isin(labels, wanted[most:])).sum())
    if most == 0:
        return Certified.none(examined, "none were asked for")
    # A fixed point has one state, and states stand in the order of their owners.
    points = atlas.states[torch.isin(atlas.owner.cpu(), chosen)]
    try:
        found = certify_all(f, points)
    except MnemoscopeError as error:
        return Certified.none(examined, str(error))
    for label, point, certificate in zip(chosen, points, found, strict=True):
        away = rms((certificate.center.to(point) - point)[None])
        if certificate.certified and float(away) <= SAME * f.unit:
            own = stored & (labels == label)
            radius[own], factor[own] = certificate.radius / f.unit, certificate.rate
    return Certified(radius, factor, distinct, n - left_out, None)
