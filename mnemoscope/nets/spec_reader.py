"""Reads any spec from its JSON, by its `kind`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import json_object
from mnemoscope.base.text import short
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.spec import Spec
from mnemoscope.nets.unet import UNet

AnySpec = Annotated[FullyConnected | Convolutional | UNet, Field(discriminator="kind")]
"""A field of another pydantic model that holds any spec."""

KINDS: dict[str, type[Spec]] = {
    "fully_connected": FullyConnected,
    "convolutional": Convolutional,
    "unet": UNet,
}
"""The spec of each kind."""


def spec_from_json(text: str | bytes | Mapping[str, Any]) -> Spec:
    """Reads the spec of any kind of network.

    Args:
        text: The JSON of a spec's `to_json`, or the same as a dictionary.

    Raises:
        MnemoscopeError: the text is no JSON object, its `kind` is missing or unknown, or its
            fields do not fit that kind.
    """
    if isinstance(text, Mapping):
        fields = {str(name): value for name, value in text.items()}
    else:
        fields = json_object(text, what="the JSON of a spec")
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        given = f"a spec with kind={short(kind)}" if "kind" in fields else "a spec without a kind"
        todo = "set `kind` to one of these"
        raise MnemoscopeError(
            given,
            expected=f"one of {', '.join(KINDS)}",
            todo=did_you_mean(kind, list(KINDS), otherwise=todo) if isinstance(kind, str) else todo,
            field="kind",
            choices=KINDS,
        )
    return KINDS[kind](**fields)
