"""Configurations from the fields of a design: checked as far as can be without training."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.load import LARGEST
from mnemoscope.data.sources import known_sources
from mnemoscope.nets import Spec, spec_from_json
from mnemoscope.sweep.configuration import (
    Configuration,
    Data,
    examples,
    json_text,
    too_many_examples,
)
from mnemoscope.sweep.measure import Measure
from mnemoscope.sweep.measurements import check_measure
from mnemoscope.sweep.needed_memory import check_memory, machine_memory
from mnemoscope.training import TrainingOptions


def configuration(
    spec: Mapping[str, Any],
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    measure: Mapping[str, Any],
    seed: int,
) -> Configuration:
    """A run from the fields of its sections, checked as far as it can be without training.

    The spec's shape is that of the examples if left out. Whatever decides a number is told in
    full: `n`, the rate and the size of a batch are never left open.

    Args:
        spec: Fields of a spec, with its `kind` (`fully_connected` if left out).
        data: Fields of `Data`.
        training: Fields of `TrainingOptions`, all but its seed.
        measure: Fields of `Measure`.
        seed: 0 or more.

    Raises:
        MnemoscopeError: a field is wrong, the examples cannot be had, or things do not fit.
    """
    chosen, found, shape = _data(json_text(data))
    assert chosen.n is not None
    built = _spec(json_text({"kind": "fully_connected", "shape": shape, **spec}))
    if built.shape != shape:
        raise MnemoscopeError(
            f"spec.shape={built.shape} for examples of shape {shape}",
            expected="the examples' shape",
            todo="leave `spec.shape` out",
        )
    trained = _training(json_text(training), chosen.n)
    check_memory(built, trained, chosen.n)
    measured = _measure(json_text(measure))
    check_measure(measured, chosen)
    return Configuration(built, chosen, found, trained, measured, checked_seed(seed))


def forget_examples() -> None:
    """Has all examples read anew: what has changed since makes other runs."""
    for read in (_data, examples):
        read.cache_clear()


# Pydantic takes a tenth of a millisecond, which a million runs of a few hundred parts need not pay.
@lru_cache(maxsize=4096)
def _spec(text: str) -> Spec:
    return spec_from_json(text)


@lru_cache(maxsize=4096)
def _data(text: str) -> tuple[Data, str, tuple[int, ...]]:
    """The data with their number, their checksum and the shape of one."""
    asked = Data(**json.loads(text))
    _refuse_url(asked.source)
    room = machine_memory()
    # What they take at least: one channel, in float32. Larger sizes are refused as such.
    least = 4 * (asked.n or 1) * min(asked.size or 1, LARGEST) ** 2
    if room is not None and least > room:
        raise too_many_examples(asked)
    try:
        X, found = examples(asked)
    except MnemoscopeError as error:
        if asked.source.strip() and "=" not in asked.source and asked.source in error.given:
            raise
        # It tells the path as the system has it, by which the line of `source` is not found.
        raise MnemoscopeError(
            f"data.source, {error.given}", expected=error.expected, todo=error.todo
        ) from error
    return asked.model_copy(update={"n": len(X)}), found, tuple(X.shape[1:])


def _refuse_url(source: str) -> None:
    if "://" in source and not source.startswith("hf:"):
        raise MnemoscopeError(
            "data.source, which is a URL",
            expected=f"what is on this machine ({known_sources()})",
            todo="fetch it and name the file",
        )


@lru_cache(maxsize=4096)
def _measure(text: str) -> Measure:
    return Measure(**json.loads(text))


@lru_cache(maxsize=65_536)
def _training(text: str, n: int) -> TrainingOptions:
    values = json.loads(text)
    if values.get("lr") == "default":
        # TOML has no null, which a list of rates may need.
        del values["lr"]
    training = TrainingOptions.of(values)
    return training.resolved(n, dtype=training.dtype or "float32")
