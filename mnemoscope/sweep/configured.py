"""Configurations from the fields of a design, checked as far as possible without training."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.data.load import LARGEST
from mnemoscope.data.sources import known_sources
from mnemoscope.nets import Spec, spec_from_json
from mnemoscope.sweep.configuration import (
    Configuration,
    Data,
    Measure,
    examples,
    json_text,
    too_many_examples,
)
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
    """Returns a run from the fields of its sections, checked as far as possible without training.

    Whatever decides a number is filled in: `n`, the rate and the size of a batch.
    """
    with in_section("data"):
        chosen, found, shape = _data(json_text(data))
    assert chosen.n is not None
    with in_section("spec"):
        built = _spec(json_text({"kind": "fully_connected", "shape": shape, **spec}))
        if built.shape != shape:
            raise MnemoscopeError(
                f"shape={built.shape} for examples of shape {shape}",
                expected="the examples' shape",
                todo="leave `spec.shape` out",
                field="shape",
            )
    with in_section("training"):
        trained = _training(json_text(training), chosen.n)
    with in_section("spec"):
        check_memory(built, trained, chosen.n)
    with in_section("measure"):
        measured = _measure(json_text(measure))
        check_measure(measured, chosen)
    return Configuration(built, chosen, found, trained, measured, checked_seed(seed))


@contextmanager
def in_section(section: str) -> Iterator[None]:
    """Names the section of a design in the errors of its fields: `depth` becomes `spec.depth`."""
    try:
        yield
    except MnemoscopeError as error:
        path = ".".join(filter(None, (section, error.field)))
        raise error.replaced(field=path) from error


def forget_examples() -> None:
    """Clears the cache of examples: data that have changed since make other runs."""
    for read in (_data, examples):
        read.cache_clear()


# Pydantic takes a tenth of a millisecond, which a million runs of a few hundred parts need not pay.
@lru_cache(maxsize=4096)
def _spec(text: str) -> Spec:
    return spec_from_json(text)


@lru_cache(maxsize=4096)
def _data(text: str) -> tuple[Data, str, tuple[int, ...]]:
    """Returns the data with their number, their checksum and the shape of one example."""
    asked = Data(**json.loads(text))
    _refuse_url(asked.source)
    room = machine_memory()
    # What they take at least: one channel, in float32. Larger sizes are refused as such.
    least = 4 * (asked.n or 1) * min(asked.size or 1, LARGEST) ** 2
    if room is not None and least > room:
        raise too_many_examples(asked)
    X, found = examples(asked)
    return asked.model_copy(update={"n": len(X)}), found, tuple(X.shape[1:])


def _refuse_url(source: str) -> None:
    if "://" in source and not source.startswith("hf:"):
        raise MnemoscopeError(
            f"source={short(source)}, which is a URL",
            expected=f"data on this machine ({known_sources()})",
            todo="download it and name the file",
            field="source",
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
