"""Any spec from its JSON."""

import json

import pytest
from pydantic import BaseModel, ValidationError

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import AnySpec, Convolutional, FullyConnected, Spec, UNet, spec_from_json
from mnemoscope.nets.spec_reader import KINDS


def test_every_spec_comes_back_from_text_bytes_and_dictionary(spec: Spec):
    text = spec.to_json()
    for given in (text, text.encode(), json.loads(text), spec.model_dump()):
        assert spec_from_json(given) == spec
        assert type(spec_from_json(given)) is type(spec)


def test_the_kind_says_which_spec_it_is():
    assert {kind.model_fields["kind"].default: kind for kind in KINDS.values()} == KINDS
    assert set(KINDS.values()) == {FullyConnected, Convolutional, UNet}
    assert spec_from_json('{"kind": "unet", "shape": [1, 8, 8]}') == UNet(shape=(1, 8, 8))


@pytest.mark.parametrize(
    ("given", "field", "fragment"),
    [
        ("{", None, "cannot be parsed"),
        ("[1]", None, "[1]"),
        ({}, "kind", "fully_connected, convolutional, unet"),
        ({"kind": "u_net"}, "kind", "`unet`"),
        ({"kind": "transformer"}, "kind", "kind='transformer'"),
        ({"kind": None}, "kind", "kind=None"),
        ({"kind": ["unet"]}, "kind", "kind=['unet']"),
        ({"kind": "unet", "shape": [1, 8, 8], "level": 2}, "level", "`levels`"),
        ({"kind": "unet", "shape": [1, 8, 8], 3: 2}, "3", "field 3"),
        ({"kind": "fully_connected"}, "shape", "FullyConnected"),
        ('{"kind": "fully_connected", "shape": [3], "depth": 0}', "depth", "depth=0"),
        ('{"kind": "fully_connected", "shape": [3], "depth": NaN}', "depth", "depth=nan"),
    ],
)
def test_what_is_no_spec_is_refused_in_one_line(given, field: str | None, fragment: str):
    with pytest.raises(MnemoscopeError) as error:
        spec_from_json(given)
    assert error.value.field == field
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


class Run(BaseModel):
    spec: AnySpec


def test_any_spec_can_be_a_field_of_another_model(spec: Spec):
    run = Run.model_validate({"spec": spec})
    assert Run.model_validate_json(run.model_dump_json()).spec == spec


def test_a_wrong_spec_in_another_model_is_refused_in_the_same_words():
    with pytest.raises(ValidationError, match="`levels`"):
        Run.model_validate({"spec": {"kind": "unet", "shape": [1, 8, 8], "level": 2}})
