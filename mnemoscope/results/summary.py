"""The numbers that an audit's verdict and findings are made from, with their labels.

Every field is declared here once. The JSON schema, `--fail-on`, the comparison of two audits, the
columns of a sweep and the labels of the report are derived from the declaration. A field is None
where its part was not measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from mnemoscope.base.labels import CorruptionLabel, corruption_label
from mnemoscope.base.quantity import Kind, Quantity
from mnemoscope.base.stats import Rate, Share

KINDS: dict[type, Kind] = {
    Rate: "rate",
    Share: "share",
    bool: "truth",
    int: "count",
    float: "number",
}
"""The kind of a field by its type: the first that it is a subclass of."""


@dataclass(frozen=True)
class Label:
    """The label of a field of a summary: the label, unit and `main` of its quantity."""

    text: str
    unit: str = ""
    main: bool = False


def quantities(model: type[BaseModel], prefix: str = "") -> Iterator[Quantity]:
    """Lists the quantities of a model and of the models inside it, in the order of the fields.

    Names are paths: `stored`, `membership.scores.loss.auc`. A field without a `Label` has an empty
    label.
    """
    for name, field in model.model_fields.items():
        kind = _type_of(field)
        if issubclass(kind, BaseModel):
            yield from quantities(kind, f"{prefix}{name}.")
            continue
        known: Kind | None = next((KINDS[one] for one in KINDS if issubclass(kind, one)), None)
        if known is not None:
            label = next((each for each in field.metadata if isinstance(each, Label)), Label(""))
            path = f"{prefix}{name}"
            yield Quantity(path, known, label.text, label.unit, main=label.main)


def value_in(summary: BaseModel, name: str) -> Any:
    """Looks up a quantity by its path; None where it was not measured."""
    value: Any = summary
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _type_of(field: FieldInfo) -> type:
    """Returns the type of a field, without None; `object` for containers and unions."""
    annotation = field.annotation
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if len(parts) == 1 and type(None) in get_args(annotation):
        annotation = parts[0]
    return annotation if isinstance(annotation, type) and not get_args(annotation) else object


class Part(BaseModel):
    """A frozen part of a summary, or of a report made from it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_inf_nan="null",
        json_schema_serialization_defaults_required=True,
    )


@dataclass(frozen=True, repr=False)
class RecallRate(Rate):
    """The rate at which corrupted copies lead back to the example they were made from.

    Attributes:
        corruption: The kind of corruption.
        strength: Its strength.
    """

    corruption: str
    strength: float


@dataclass(frozen=True)
class Reached(Share):
    """The training examples that starts from noise reached: the more starts, the more examples.

    Attributes:
        starts: Number of starts from noise.
    """

    starts: int


class SpanDistance(Part):
    """How far outputs of the map lie from the linear span of the examples."""

    median: float | None = Field(description="RMS over entries, in units.")
    inputs: int


class EffectiveRank(Part):
    """Participation ratios, and counts of singular values above `threshold`."""

    examples: float | None
    examples_count: int | None
    outputs: float | None
    outputs_count: int | None
    threshold: float | None


class Score(Part):
    """How well a score separates members from others, each number with its 95% interval."""

    auc: float | None
    auc_low: float | None
    auc_high: float | None
    tpr_1: float | None = Field(description="True positives at 1% false positives.")
    tpr_1_low: float | None
    tpr_1_high: float | None
    tpr_01: float | None = Field(description="True positives at 0.1% false positives.")
    tpr_01_low: float | None
    tpr_01_high: float | None
    gain: float | None = Field(None, description="Area under the curve beyond the baseline's.")
    gain_low: float | None = None
    gain_high: float | None = None


class Scores(Part):
    """The scores for membership; None for one that the map does not have."""

    residual: Score | None = None
    spectral_radius: Score | None = None
    operator_norm: Score | None = None
    distance_moved: Score | None = None
    loss: Score | None = None

    def known(self) -> dict[str, Score]:
        """Returns the scores that the map has."""
        return {name: score for name, score in self if score is not None}

    def by_area(self) -> list[tuple[str, Score]]:
        """Lists the scores that the map has, the largest area under the curve first."""
        return sorted(self.known().items(), key=lambda item: -(item[1].auc or 0))


class Resolvable(Part):
    """Whether the held-out data are enough for a true positive rate."""

    tpr_1: bool
    tpr_01: bool


class TwoSample(Part):
    """Whether members and others differ, judged without the network."""

    accuracy: float
    low: float
    high: float
    p_value: float
    differs: bool
    chance: float = Field(description="Mean accuracy over random labels.")
    sizes: tuple[int, int]
    classifier: str


class Membership(Part):
    """How well training examples are distinguished from other data."""

    members: int
    held_out: int
    scores: Scores
    best: str
    two_sample: TwoSample | None
    baseline: str
    resolvable: Resolvable
    overlap: int = Field(description="Held-out states that are also examples.")
    caveats: tuple[str, ...]


class Measured(Part):
    """The measurements of one map at one set of states."""

    stored: Annotated[Rate | None, Label("being stored")] = None
    contractive: Annotated[Rate | None, Label("contracting (spectral radius below 1)")] = None
    contractive_in_norm: Annotated[Rate | None, Label("contracting in operator norm")] = None
    recalled: Annotated[Rate | None, Label("coming back from a corrupted copy")] = None
    reached: Annotated[Rate | None, Label("being reached from noise")] = None
    settled: Annotated[Rate | None, Label("settling at an attractor")] = Field(
        None, description="Starts from noise that end at any attractor."
    )
    attractors: int
    fixed_points: int
    starts: int
    not_specific: tuple[str, ...] = Field(
        (), description="Of a control: measurements that are also positive on it."
    )

    def rates(self) -> dict[str, Rate]:
        """Returns the rates that were measured, by name."""
        return {name: value for name, value in self if isinstance(value, Rate)}


class Controls(Part):
    """The same measurements of the trained map and where nothing can have been memorized."""

    trained: Measured
    untrained: Measured | None = Field(description="With fresh weights.")
    untrained_missing: str | None = Field(description="Why there is no untrained network.")
    held_out: Measured | None = Field(description="At data that were not trained on.")
    not_specific: tuple[str, ...] = Field(
        description="Measurements that are also positive on a control."
    )


class Resolution(Part):
    """The steps in which the map's values come, in the scale of the data; 0 for a smooth map."""

    kind: str = Field(description="smooth, coarse or quantized.")
    spacing: float = Field(description="Between neighbouring values, RMS over a state's entries.")
    entry: float = Field(description="Between neighbouring values of one entry.")
    length: float = Field(description="RMS length of the differences that growth is measured over.")


class Derivatives(Part):
    """How the derivatives for spectra and norms were computed."""

    way: str = Field(
        description="written out (the chain rule over fully connected layers), reverse mode, "
        "reverse mode without oneDNN, recorded graph, forward mode, row by row, or differences "
        "(of values, without derivatives)."
    )
    why: str = Field(description="Why no simpler way was possible; empty if this is the simplest.")


class Domain(Part):
    """The states that the map takes."""

    low: float | None = Field(description="The least entry of a state; null: no bound.")
    high: float | None = Field(description="The largest entry of a state; null: no bound.")
    refused: str | None = Field(description="What the map raised for states outside.")


class NearestSpurious(Part):
    """The attractor nearest to a training example among those that match none."""

    attractor: int = Field(description="Its id.")
    example: int
    distance: float | None = Field(description="RMS over entries, in units.")


class Planned(Part):
    """The requested and the actual sizes of an audit that was planned for a time."""

    minutes: float
    predicted_seconds: float
    seconds: float
    asked: dict[str, int]
    done: dict[str, int]
    left_out: tuple[str, ...]


class RecallFrames(Part):
    """The orbits from corrupted examples that are kept as pictures."""

    corruption: str
    strength: float
    steps: tuple[int, ...] = Field(description="Iterates that are shown.")
    recalled: tuple[bool, ...] = Field(description="Whether each orbit leads to its example.")


class NoiseFrames(Part):
    """The orbits from noise that are kept as pictures."""

    kinds: tuple[str, ...] = Field(description="The distribution of each start.")
    examples: tuple[int, ...] = Field(description="The example that each orbit leads to.")
    steps: tuple[int, ...] = Field(description="Iterates that are shown.")


class Plane(Part):
    """The plane through three examples on which basins were mapped."""

    examples: tuple[int, ...]
    points: tuple[tuple[float, float], ...] = Field(description="Their coordinates, RMS, in units.")


class Conditions(Part):
    """The conditions of a conditional map."""

    values: tuple[Any, ...] = Field(description="The distinct conditions.")
    examples: tuple[int, ...] = Field(description="The index of each example's condition.")
    attractors: tuple[int, ...] = Field(description="The index of each attractor's condition.")


class Summary(Part):
    """The numbers that the verdict and the findings are made from."""

    name: str
    examples: Annotated[int, Label("training examples")]
    stored: Annotated[Rate, Label("examples stored", main=True)]
    disclosed: Annotated[Rate, Label("examples disclosed", main=True)]
    indistinguishable: Annotated[int, Label("indistinguishable examples")]
    certified: Annotated[Rate | None, Label("examples certified", main=True)] = None
    certified_missing: str | None = Field(None, description="Why no certificate was sought.")
    contractive: Annotated[Rate, Label("contractive: spectral radius < 1")]
    undecided: Annotated[int, Label("undecided whether contractive")]
    contractive_in_norm: Annotated[Rate | None, Label("contractive: operator norm < 1")] = None
    recalled: Annotated[RecallRate | None, Label("corrupted copies recalled")] = None
    reached: Annotated[Reached, Label("distinct examples reached from noise")]
    attractors: Annotated[int, Label("attractors")]
    spurious: Annotated[int, Label("spurious attractors")]
    cycles: Annotated[int, Label("limit cycles")]
    nearest_spurious: NearestSpurious | None = None
    unsettled: Annotated[Rate, Label("starts that never settled")]
    left_domain: Annotated[Rate, Label("starts that left the domain")]
    domain: Domain | None = None
    loss: Annotated[float, Label("loss at the examples", "squared units")]
    training_loss: Annotated[float, Label("training loss", "squared units")]
    interpolated: Annotated[bool, Label("interpolates")]
    corruptions: tuple[CorruptionLabel, ...] = Field(
        (), description="The labels of all corruptions, tried or not."
    )
    span_distance: SpanDistance | None = None
    effective_rank: EffectiveRank | None = None
    duplicates: tuple[tuple[int, int], ...] = ()
    membership: Membership | None = None
    controls: Controls | None = None
    black_box: bool = Field(False, description="The map gives no derivatives.")
    resolution: Resolution | None = None
    derivatives: Derivatives | None = None
    match_tol: Annotated[float, Label("match_tol", "units")]
    tol: float
    unit: float = Field(description="The scale that distances are shares of.")
    among: int | None = Field(
        None, description="The number of all training examples, where a part was audited."
    )
    conditions: Conditions | None = None
    planned: Planned | None = Field(None, description="Of an audit that was planned for a time.")
    partial: tuple[str, ...] = Field((), description="Parts that an interrupted audit lacks.")
    left_out: tuple[str, ...] = Field(
        (), description="Parts that the caller omitted, such as to stay within a time."
    )
    recall_frames: RecallFrames | None = None
    noise_frames: NoiseFrames | None = None
    plane: Plane | None = None
    seconds: float | None = None

    def label(self, corruption: str) -> CorruptionLabel:
        """Returns the label of a corruption."""
        return corruption_label(corruption, self.corruptions)


QUANTITIES = {
    quantity.name: quantity
    for quantity in quantities(Summary)
    if quantity.label and "." not in quantity.name
}
"""The labelled quantities of a summary, by name."""
