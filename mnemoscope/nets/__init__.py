"""The networks: a spec (plain values, JSON), the module it builds, and its weights in a file."""

from mnemoscope.nets.activations import (
    ACTIVATIONS,
    activation_function,
    activation_module,
    activation_name,
)
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.initialization import INITIALIZATIONS, gain, initialize
from mnemoscope.nets.layers import NTKConv2d, NTKLinear
from mnemoscope.nets.spec import FinishRecord, HistoryRow, Network, Spec, TrainingRecord
from mnemoscope.nets.spec_reader import AnySpec, spec_from_json
from mnemoscope.nets.unet import UNet
from mnemoscope.nets.weights_file import load, read_metadata, save

__all__ = [
    "ACTIVATIONS",
    "INITIALIZATIONS",
    "AnySpec",
    "Convolutional",
    "FinishRecord",
    "FullyConnected",
    "HistoryRow",
    "NTKConv2d",
    "NTKLinear",
    "Network",
    "Spec",
    "TrainingRecord",
    "UNet",
    "activation_function",
    "activation_module",
    "activation_name",
    "gain",
    "initialize",
    "load",
    "read_metadata",
    "save",
    "spec_from_json",
]
