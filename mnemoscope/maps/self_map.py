"""`SelfMap`: the one abstraction that spectra, orbits and audits are made of."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mnemoscope.base.errors import MnemoscopeError, first_line, shortened
from mnemoscope.base.memory import batch_size_within, free_share
from mnemoscope.base.unit import checked_unit, unit_of, unit_of_starts
from mnemoscope.maps.derivatives import (
    DIFFERENCES,
    FORWARD,
    UNSEEN,
    WRITTEN_OUT,
    Choice,
    Derivatives,
    Footprint,
    MeasuredFootprint,
    plain_footprint,
)
from mnemoscope.maps.domain import Domain, Images, checked_domain, images_where_defined
from mnemoscope.maps.failures import ARRAYS, MapFailedError, failed
from mnemoscope.maps.layout import (
    gives_flat,
    not_taken,
    other_layouts,
    restored,
    takes,
    takes_other,
)
from mnemoscope.maps.linearization import ChainLinearization, ForwardLinearization, Linearization
from mnemoscope.maps.live_memory import TooMuch, is_memory
from mnemoscope.maps.resolution import SMOOTH, Resolution
from mnemoscope.maps.weights import refuse_empty
from mnemoscope.maps.wrapped import advice, is_parts, parts_of
from mnemoscope.nets.modules import converted, eval_mode, in_single, state_device, state_dtype
from mnemoscope.nets.plain import PlainLayer, plain_layers
from mnemoscope.nets.spec import Network

Stage = Callable[[Tensor], Tensor]

Made = TypeVar("Made")

_log = logging.getLogger("mnemoscope")

CONSTANTS = (0.0, 1.0, 0.5)
"""The entries of constant states; a map must take one of these states."""

AT_ONCE = 64 * 2**20
"""Allocations below this size (bytes) skip the free-memory check."""


class Findings:
    """What checks of a map have found (`mnemoscope.maps.check`); copies of the map share it.

    Attributes:
        exempt: Whether there is nothing to check: a map made of one that was checked.
        fingerprint: What the map was when it was checked; None: it was not.
        resolution: The steps in which its values come.
        untrue: Why its derivatives are not to be used; empty where they are.
        broken: The state, of those it was checked at, with an image that is not finite.
        followed: Whether derivatives were compared along directions of growth too.
        refused: What the map raised for states that it does not take; empty where it never did.
        centre: A state in the midst of those that it was checked at; None: it was not.
    """

    def __init__(self, *, exempt: bool = False) -> None:
        """Starts without findings."""
        self.exempt = exempt
        self.fingerprint: tuple[object, ...] | None = None
        self.resolution: Resolution = SMOOTH
        self.untrue = ""
        self.broken: int | None = None
        self.followed = False
        self.refused = ""
        self.centre: Tensor | None = None

    def adopt(self, other: "Findings") -> None:
        """Takes over what was found of the same map elsewhere."""
        refused = self.refused or other.refused
        vars(self).update(vars(other))
        self.refused = refused


class SelfMap:
    """A map `f` whose output has its input's shape: evaluated, linearized, composed.

    A state has shape `shape`, a batch `(n, *shape)`; `f` must act on each state of a batch by
    itself. A network is put in eval mode for each call and left as it was: its mode, gradients and
    parameters do not change. No call builds a graph for the caller. A batch is evaluated in parts
    that fit into the budget; a state's derivative too, or it is computed without keeping what the
    layers gave (`mnemoscope.maps.linearization`).

    Args:
        f: An `nn.Module` or any callable from a batch to a batch. A module of float16 or bfloat16
            is evaluated as a float32 copy: what is measured here needs the digits.
        shape: The shape of a state; default: `f.spec.shape`.
        dtype: The dtype of the states of a callable without floating-point parameters (default:
            that of its first floating-point buffer, else float32). Otherwise states have the dtype
            of the first real parameter, or of the parts of the first complex one.
        device: The device of the states of a callable without parameters (default: that of its
            first buffer, else `cpu`).
        budget: Bytes of memory that evaluating and linearizing may take (default: a quarter of what
            is free).
        unit: The scale of the data; tolerances and distances are shares of it (default: that
            of the data which a measurement is given; see `mnemoscope.base.unit`).
        domain: `(low, high)`, the least and the largest entry of the states that the map takes;
            None, or a bound that is infinite, for no bound. States with an entry outside of it, and
            states at which the map raises, are outside the map's domain: their images are NaN, and
            orbits that come there end (`mnemoscope.maps.domain`).

    Attributes:
        shape_binds: Whether it is a map of states of this shape alone (default). Otherwise what
            takes a map and states makes one of the states' shape.

    Raises:
        MnemoscopeError: `f` cannot be called, the unit is not above 0, the domain is empty, the
            budget is too small for one state, the shape is not known, the map raises at all
            `CONSTANTS` (or the states of its domain that are nearest to them), the output's shape,
            dtype or device differs from the input's, or a dropout or batch-norm layer is in
            training mode.

    Example:
        >>> import torch
        >>> f = SelfMap(lambda z: z / 2, shape=(3,))
        >>> (f**2)(torch.ones(1, 3))
        tensor([[0.2500, 0.2500, 0.2500]])
    """

    def __init__(
        self,
        f: "Stage | SelfMap",
        shape: Sequence[int] | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        budget: int | None = None,
        unit: float | None = None,
        domain: Domain | Sequence[float | None] | None = None,
    ) -> None:
        if not callable(f):
            raise _no_map(f)
        if isinstance(f, nn.Module):
            refuse_empty(f)
        self.stages: tuple[Stage, ...] = f.stages if isinstance(f, SelfMap) else (in_single(f),)
        self.shape = _state_shape(f, shape)
        box = checked_domain(domain)
        # The states that each stage takes.
        self.boxes: tuple[Domain | None, ...] = f.boxes if isinstance(f, SelfMap) else (None,)
        if box is not None:
            self.boxes = (box, *self.boxes[1:])
        if isinstance(f, SelfMap):
            dtype, device, budget = dtype or f.dtype, device or f.device, budget or f.budget
            unit = f.known_unit if unit is None else unit
        self.budget = budget
        self.known_unit = None if unit is None else checked_unit(unit)
        self.shape_binds = True
        self.dtype = state_dtype(self.modules, dtype)
        self.device = state_device(self.modules, device)
        self._evaluating = False
        self._value = CONSTANTS[0]
        self._made: dict[str, Any] = {}
        self._footprint: Footprint | None = None
        self.findings = Findings()
        self.check_output()
        if budget is not None and self.footprint.evaluate > budget:
            raise MnemoscopeError(
                f"a budget of {budget:,} bytes",
                expected=f"at least the {self.footprint.evaluate:,} that one state takes",
                todo="raise the budget, or bring the examples to a smaller size",
                field="budget",
            )

    @property
    def modules(self) -> list[nn.Module]:
        """The networks among the stages, each once."""
        return list({id(s): s for s in self.stages if isinstance(s, nn.Module)}.values())

    @property
    def size(self) -> int:
        """Entries of one state, the `d` of the theory."""
        return torch.Size(self.shape).numel()

    @property
    def unit(self) -> float:
        """The scale of the data; tolerances and distances are shares of it; 1 if unknown."""
        return 1.0 if self.known_unit is None else self.known_unit

    @property
    def domain(self) -> Domain | None:
        """The bounds between which all entries of a state must lie; None where none are known."""
        return self.boxes[0]

    @property
    def bounded(self) -> bool:
        """Whether there are states that are known not to lie in the domain."""
        return bool(self.findings.refused) or any(box is not None for box in self.boxes)

    def clipped(
        self, Z: Float[Tensor, "n *shape"], reach: float | Tensor = 0.0
    ) -> Float[Tensor, "n *shape"]:
        """Returns the nearest states between the domain's bounds, `reach` or more from either."""
        return Z if self.domain is None else self.domain.clipped(Z, reach)

    def with_domain(self, domain: Domain | Sequence[float | None] | None) -> "SelfMap":
        """Returns the same map with other bounds of its states.

        Raises:
            MnemoscopeError: the domain is empty.
        """
        boxes = (checked_domain(domain), *self.boxes[1:])
        return self._with_stages(self.stages, boxes=boxes)

    def with_unit(self, unit: float) -> "SelfMap":
        """Returns the same map of data of another scale.

        Raises:
            MnemoscopeError: the unit is not a finite number above 0.
        """
        return self._changed(known_unit=checked_unit(unit))

    @property
    def narrowest(self) -> int:
        """Entries of the narrowest layer of a fully connected network, or of its state.

        The Jacobian of any other map is taken to have full rank.
        """
        layers = self.plain_layers() or []
        return min([self.size, *(layer.weight.shape[1] for layer in layers)])

    @property
    def differentiable(self) -> bool:
        """Whether derivatives can be taken; a stage with `differentiable = False` has none."""
        return all(getattr(stage, "differentiable", True) for stage in self.stages)

    @property
    def in_use(self) -> bool:
        """Whether a measurement is under way, during which the networks do not change."""
        return self._evaluating

    @property
    def written_out(self) -> bool:
        """Whether the map is fully connected networks alone, whose derivatives are written out."""
        return self.plain_layers() is not None

    @property
    def by_values(self) -> bool:
        """Whether growth and fixed points are to be had from values alone.

        So of a map without derivatives, and of one whose derivatives are not those of its values.
        """
        return not self.differentiable or bool(self.findings.untrue)

    @property
    def resolution(self) -> Resolution:
        """The steps in which the map's values come, as its check found (`mnemoscope.maps.check`).

        Smooth until it is checked, and without any measurement for the networks of
        `mnemoscope.nets`.
        """
        return self.findings.resolution

    @property
    def derivatives(self) -> Derivatives:
        """How its derivatives are taken, and why not in a simpler way; found out when first asked.

        That they are not those of its values is known once it is checked.
        """
        if self.written_out:
            return WRITTEN_OUT
        if not self.differentiable:
            return Derivatives(DIFFERENCES, "the map can only be evaluated")
        if self.findings.untrue:
            return Derivatives(DIFFERENCES, self.findings.untrue)
        return Derivatives.by(self.footprint.choice)

    @property
    def footprint(self) -> Footprint:
        """The memory that one state takes, measured when first asked for."""
        if self._footprint is None:
            layers = self.plain_layers()
            if layers is not None:
                self._footprint = plain_footprint(layers, self.dtype)
            elif not self.differentiable:
                self._footprint = Footprint(UNSEEN * self.size * self.dtype.itemsize)
            else:
                state = self._some_state()
                limit = free_share(self.device) if self.budget is None else self.budget
                self._footprint = MeasuredFootprint(self._evaluated, state, limit=limit)
        return self._footprint

    def batch_size(self, bytes_per_state: int, *, largest: int | None = None) -> int:
        """Returns how many states fit into half of the budget, each with this memory, at least 1.

        The other half is for what the caller holds: starts, ends, bases.
        """
        half = None if self.budget is None else self.budget // 2
        return batch_size_within(bytes_per_state, device=self.device, largest=largest, budget=half)

    def __repr__(self) -> str:
        names = " ∘ ".join(type(s).__name__ for s in reversed(self.stages))
        return f"SelfMap({names}, shape={self.shape})"

    def __call__(self, Z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns `f` at each state, on its device and in its dtype; NaN outside the domain."""
        return self.images(Z).values

    def images(self, Z: Float[Tensor, "n *shape"]) -> Images:
        """Returns `f` at each state, and which states lie outside the domain.

        A batch for which the map raises is halved until the states are found that it raises for
        (`mnemoscope.maps.domain`).

        Raises:
            MnemoscopeError: the map fails for another reason than single states.
        """
        return self._in_parts(Z, self._where_defined)

    def at_each(self, Z: Float[Tensor, "n *shape"], name: str = "state") -> Tensor:
        """Returns `f` at states that must all lie in the domain, such as training examples.

        Args:
            Z: `(n, *shape)`.
            name: What to call one of them in an error.

        Raises:
            MnemoscopeError: one lies outside the bounds, or the map raises for one.
        """
        Z = self.batch(Z)
        self.refuse_outside(Z, name)
        return self._in_parts(Z, self._evaluate).values

    def refuse_outside(self, Z: Float[Tensor, "n *shape"], name: str = "state") -> None:
        """Refuses states outside the domain's bounds.

        Raises:
            MnemoscopeError: one lies there.
        """
        if self.domain is None or len(Z) == 0:
            return
        outside = (~self.domain.holds(Z)).nonzero()[:, 0]
        if len(outside):
            row = int(outside[0])
            entries = Z[row].flatten()
            low, high = float(entries.min()), float(entries.max())
            raise MnemoscopeError(
                f"{name} {row}, whose entries lie between {low:g} and {high:g}",
                expected=f"entries in the map's domain, {self.domain}",
                todo=f"leave out the {len(outside)} that are not, or name a wider domain",
            )

    def _in_parts(self, Z: Tensor, images: Callable[[Tensor], Images]) -> Images:
        """Returns the images of a batch, evaluated in parts that fit into the budget."""
        Z = self.batch(Z)
        with self.evaluating(), torch.no_grad():
            needed = len(Z) * self.footprint.evaluate if len(Z) > 1 else 0
            if needed <= (AT_ONCE if self.budget is None else self.budget // 2):
                return images(Z)
            size = self.batch_size(self.footprint.evaluate)
            parts = [images(part) for part in Z.split(size)]
            values = torch.cat([part.values for part in parts])
            if all(part.outside is None for part in parts):
                return Images(values, None)
            outside = [
                torch.zeros(len(part.values), dtype=torch.bool, device=self.device)
                if part.outside is None
                else part.outside
                for part in parts
            ]
            return Images(values, torch.cat(outside))

    def _where_defined(self, Z: Tensor) -> Images:
        found, refused = images_where_defined(self._evaluate, Z, self._some_state())
        if refused is not None:
            self._note_refusal(refused)
        return found

    def _note_refusal(self, refused: MnemoscopeError) -> None:
        if not self.findings.refused:
            cause = refused.__cause__ or refused
            reason = f"{type(cause).__name__}: {first_line(cause)}"
            self.findings.refused = shortened(reason)
            _log.info("the map raises for some states, which are outside its domain: %s", reason)

    def _some_state(self) -> Float[Tensor, "1 *shape"]:
        """Returns a state that the map takes: 0, or the nearest to it in the domain."""
        return self._constant(self._value)

    def _constant(self, value: float) -> Float[Tensor, "1 *shape"]:
        state = torch.full((1, *self.shape), value, dtype=self.dtype, device=self.device)
        return self.clipped(state)

    def batch(self, Z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns `Z` detached, on the map's device and in its dtype, once its shape is right.

        Raises:
            MnemoscopeError: `Z` is not a batch of this map's states.
        """
        Z = torch.as_tensor(Z)
        if tuple(Z.shape[1:]) != self.shape or Z.ndim == 0:
            raise MnemoscopeError(
                f"states of shape {tuple(Z.shape)}",
                expected=f"a batch (n, {', '.join(map(str, self.shape))})",
                todo="reshape them, or pass one state as z[None]",
                field="Z",
            )
        return Z.detach().to(device=self.device, dtype=self.dtype)

    def linearize(self, Z: Float[Tensor, "n *shape"]) -> Linearization:
        """Linearizes at each state once, for many products with the Jacobians.

        Where what the layers give at one state does not fit into the budget, it is not kept: each
        product evaluates the map anew, and there is none with the transposed Jacobian.

        Raises:
            MnemoscopeError: the map has no derivatives.
        """
        Z = self.batch(Z)
        if not self.differentiable:
            raise MnemoscopeError(
                f"{self!r}, which can only be evaluated",
                expected="a map with derivatives",
                todo="measure how it contracts from orbits: "
                "mnemoscope.dynamics.contraction.contraction(f, Z)",
            )
        layers = self.plain_layers()
        if layers is not None:
            return ChainLinearization(layers, Z)
        with self.evaluating():
            choice = self.footprint.choice
            if choice.way is None:
                raise _no_derivative(choice)
            if choice.way is not FORWARD:
                return choice.way.make(self._apply, Z)
            size = self.batch_size(self.footprint.linearize)
            return ForwardLinearization(self._apply, Z, batch_size=size, failure=choice.failure)

    @property
    def reversible(self) -> bool:
        """Whether what a state's derivative keeps fits into the budget: only then `vjp` works."""
        return not self.by_values and self.footprint.reverse is not None

    def jvp(
        self, Z: Float[Tensor, "n *shape"], V: Float[Tensor, "n *shape"]
    ) -> Float[Tensor, "n *shape"]:
        """Computes `J(z_i) v_i` for each state; several products at the same: `linearize`."""
        return self.linearize(Z).jvp(self.batch(V))

    def vjp(
        self, Z: Float[Tensor, "n *shape"], U: Float[Tensor, "n *shape"]
    ) -> Float[Tensor, "n *shape"]:
        """Computes `J(z_i)^T u_i` for each state; several products at the same: `linearize`."""
        return self.linearize(Z).vjp(self.batch(U))

    def residual(self, Z: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
        """Computes the root mean square of `f(z) - z` for each state, in units."""
        Z = self.batch(Z)
        return (self(Z) - Z).flatten(1).square().mean(1).sqrt() / self.unit

    def __pow__(self, p: int) -> "SelfMap":
        """Returns the map applied `p` times."""
        if not isinstance(p, int) or p < 1:
            raise MnemoscopeError(
                f"f ** {p!r}", expected="a whole power of at least 1", todo="use f ** 2, f ** 3, …"
            )
        power = self._with_stages(self.stages * p, boxes=self.boxes * p)
        # Rounding and cut-off derivatives are those of one application.
        power.findings = self.findings
        return power

    def __matmul__(self, inner: "SelfMap") -> "SelfMap":
        """Composes: `f @ g` is the map `z -> f(g(z))`."""
        if inner.shape != self.shape:
            raise MnemoscopeError(
                f"maps of states {self.shape} and {inner.shape}",
                expected="two maps of the same states",
                todo="compose maps of one shape",
            )
        boxes = inner.boxes + self.boxes
        return self._with_stages(inner.stages + self.stages, boxes=boxes, _value=inner._value)

    def to(
        self, dtype: torch.dtype | None = None, *, device: torch.device | str | None = None
    ) -> "SelfMap":
        """Returns the map in another dtype or on another device; networks are copied, not changed.

        Complex parameters take the complex dtype whose parts have `dtype`; integers keep theirs.
        A callable that is no module is taken as it is and handed states of the new dtype.
        """
        dtype = dtype or self.dtype
        device = torch.device(device or self.device)
        if dtype == self.dtype and device == self.device:
            return self
        copies = {id(m): converted(m, dtype, device) for m in self.modules}
        stages = tuple(copies.get(id(s), s) for s in self.stages)
        return self._with_stages(stages, dtype=dtype, device=device)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Keeps the networks in eval mode over many calls, then gives each its mode back.

        Raises:
            MnemoscopeError: a dropout or batch-norm layer is in training mode, or a batch-norm
                layer has no running statistics, so that a state's image depends on its batch.
        """
        if self._evaluating:
            yield
            return
        for module in self.modules:
            _refuse_random(module)
        with ExitStack() as modes:
            for module in self.modules:
                modes.enter_context(eval_mode(module))
            self._evaluating = True
            try:
                yield
            finally:
                self._evaluating = False
                self._made = {}

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Returns what is made of the networks' weights: kept while `evaluating` lasts."""
        if not self._evaluating:
            return make()
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _apply(self, Z: Tensor) -> Tensor:
        return self._evaluate(Z).values

    def _evaluate(self, Z: Tensor) -> Images:
        """Returns the stages one after the other, each at what lies in its bounds."""
        inside: Tensor | None = None
        for stage, box in zip(self.stages, self.boxes, strict=True):
            if box is not None:
                holds = box.holds(Z)
                inside = holds if inside is None else inside & holds
                Z = box.clipped(Z)
            # What is not ours may change its input in place.
            given = Z if isinstance(stage, Network) else Z.clone()
            try:
                Z = stage(given)
            except MnemoscopeError:
                raise
            except (Exception, SystemExit) as error:
                if is_memory(error):
                    raise
                raise failed(tuple(given.shape), error) from error
        if inside is None or not isinstance(Z, Tensor):
            return Images(Z, None)
        # A factor, so that derivatives are NaN outside too.
        factor = torch.where(inside, 1.0, torch.nan).to(Z.dtype)
        return Images(Z * factor.reshape(-1, *[1] * (Z.ndim - 1)), ~inside)

    def plain_layers(self) -> list[PlainLayer] | None:
        """Returns the layers of all stages, if these are fully connected networks only."""
        each = [plain_layers(stage) for stage in self.stages]
        known = [layers for layers in each if layers is not None]
        return [layer for layers in known for layer in layers] if len(known) == len(each) else None

    def _evaluated(self, Z: Tensor) -> Tensor:
        with self.evaluating():
            return self._apply(Z)

    def _with_stages(self, stages: tuple[Stage, ...], **place: Any) -> "SelfMap":
        return self._changed(stages=stages, findings=Findings(), _footprint=None, **place)

    def _changed(self, **attributes: Any) -> "SelfMap":
        other = copy(self)
        vars(other).update(attributes, _evaluating=False, _made={})
        return other

    def _tried(self) -> Tensor:
        """Returns the image of the first constant state that the map does not raise for."""
        first: MapFailedError | None = None
        for value in CONSTANTS:
            try:
                output = self._apply(self._constant(value))
            except MapFailedError as error:
                first = first or error
                continue
            self._value = value
            return output
        assert first is not None
        raise first

    def check_output(self) -> None:
        """Evaluates the map at 0 or, where it raises there, at other constant states.

        Raises:
            MnemoscopeError: it fails, or the output is no batch of states.
        """
        with self.evaluating(), torch.no_grad():
            try:
                output = self._tried()
            except MapFailedError as error:
                raise self.with_layout(error) from error.__cause__
        zeros = self._some_state()
        if not isinstance(output, Tensor):
            parts = is_parts(output)
            raise MnemoscopeError(
                f"a map whose output is a {type(output).__name__}{parts_of(output)}",
                expected="a tensor",
                todo="wrap it, mn.Wrapped(f, output=…), and name the part that is the "
                f"reconstruction: {advice(output, zeros)}"
                if parts
                else f"hand a function of arrays over as a black box: {ARRAYS}",
            )
        if restored(output, zeros, flat=True).shape != output.shape:
            raise gives_flat(tuple(zeros.shape), tuple(output.shape))
        if (output.shape, output.dtype, output.device) != (zeros.shape, zeros.dtype, zeros.device):
            raise MnemoscopeError(
                f"a map from {tuple(zeros.shape)} {zeros.dtype} on {zeros.device} "
                f"to {tuple(output.shape)} {output.dtype} on {output.device}",
                expected="an output of its input's shape, dtype and device",
                todo="give an autoencoder, or wrap the map so that these agree",
            )

    def with_layout(self, error: MapFailedError) -> MapFailedError:
        """Returns the error with the layout of its states that the map takes, if there is one.

        There is none where the map takes other states of its shape than those that it failed on.
        """
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        with self.evaluating():
            if takes(self._apply, self.shape, like=like, strict=False):
                return error
            for shape, way in other_layouts(self.shape):
                if takes(self._apply, shape, like=like):
                    return takes_other(error, self.shape, shape, way)
        return error


def _no_map(model: object) -> MnemoscopeError:
    """Returns the error for what cannot be called: a fitted model of a library, mostly."""
    return MnemoscopeError(
        f"an object of the class {type(model).__name__}, which cannot be called",
        expected="a module, or a callable of a batch",
        todo="let an adapter make a map of it: f = mn.load_map(model), or write one, "
        "mn.BlackBox(model.predict)",
    )


def _no_derivative(choice: Choice) -> MnemoscopeError:
    """Returns the error for a map that PyTorch can differentiate in no way."""
    error = choice.failure
    assert error is not None
    reason = f"{type(error).__name__}: {first_line(error)}"
    made = MnemoscopeError(
        f"a map that PyTorch cannot differentiate ({reason})",
        expected="operations with derivatives, and a budget in which one state's fits"
        if isinstance(error, TooMuch)
        else "operations with derivatives",
        todo="measure it by its values, as a black box: mn.Wrapped(f, black_box=True), --black-box",
    )
    made.__cause__ = error
    return made


def as_self_map(f: "Stage | SelfMap", shape: Sequence[int] | None = None) -> SelfMap:
    """Returns `f` itself if it is a `SelfMap`, else one made of it.

    A map whose shape is only a default (`shape_binds`) is made anew for states of another shape.
    """
    if not isinstance(f, SelfMap):
        return SelfMap(f, shape)
    if f.shape_binds or shape is None or tuple(shape) == f.shape:
        return f
    try:
        return SelfMap(f, shape)
    except MapFailedError as error:
        raise not_taken(error, repr(f), tuple(shape), f.shape) from error


def in_unit_of_data(f: SelfMap, X: Float[Tensor, "n *shape"]) -> SelfMap:
    """Returns the map with the unit of these data, unless it has one."""
    return f if f.known_unit is not None else f.with_unit(unit_of(X))


def in_unit_of_starts(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> SelfMap:
    """Returns the map with a unit judged by these starts, unless it has one."""
    return f if f.known_unit is not None else f.with_unit(unit_of_starts(Z))


def _state_shape(f: object, shape: Sequence[int] | None) -> tuple[int, ...]:
    if shape is None:
        shape = (
            f.shape if isinstance(f, SelfMap) else getattr(getattr(f, "spec", None), "shape", None)
        )
    if shape is None or len(tuple(shape)) == 0 or any(int(s) < 1 for s in shape):
        raise MnemoscopeError(
            f"shape={shape}" if shape is not None else f"{type(f).__name__} without a shape",
            expected="the shape of one state, each side at least 1",
            todo="pass it: SelfMap(f, shape=(1, 8, 8))",
            field="shape",
        )
    return tuple(int(s) for s in shape)


def _refuse_random(network: nn.Module) -> None:
    for name, layer in network.named_modules():
        training = layer.training and isinstance(layer, (_BatchNorm, _DropoutNd))
        if training:
            raise MnemoscopeError(
                f"{type(layer).__name__} `{name or 'itself'}` in training mode",
                expected="a map with no chance in it, that takes each state by itself",
                todo="call .eval() on the network first",
            )
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise MnemoscopeError(
                f"{type(layer).__name__} `{name or 'itself'}` without running statistics",
                expected="a map that takes each state of a batch by itself",
                todo="build it with track_running_stats=True, or replace it",
            )
