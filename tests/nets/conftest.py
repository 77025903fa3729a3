"""The specs every network test runs over: each kind, each shape of it, each way to be built."""

import pytest
import torch

from mnemoscope.nets import Convolutional, FullyConnected, HistoryRow, Spec, TrainingRecord, UNet

SPECS = {
    "single layer": FullyConnected(shape=(6,), depth=1, activation="cosid"),
    "single layer without bias": FullyConnected(shape=(2, 3), depth=1, bias=False),
    "deep": FullyConnected(shape=(1, 4, 4), width=8, depth=4),
    "widths": FullyConnected(shape=(3, 2), width=(5, 2), depth=3, activation="tanh"),
    "ntk": FullyConnected(shape=(6,), width=9, depth=3, activation="relu", init="ntk"),
    "one pixel": FullyConnected(shape=(1,), width=1, depth=2, output_activation="sigmoid"),
    "linear convolutions": Convolutional(
        shape=(1, 5, 4), channels=1, depth=3, activation="identity", bias=False
    ),
    "single convolution": Convolutional(shape=(2, 3, 3), depth=1, kernel_size=5),
    "down and up": Convolutional(shape=(2, 8, 4), channels=3, depth=5, downsample=2),
    "ntk convolutions": Convolutional(
        shape=(1, 4, 4), channels=3, depth=3, activation="selu", init="ntk", downsample=1
    ),
    "unet": UNet(shape=(1, 4, 4), channels=2, levels=2, activation="gelu"),
    "ntk unet": UNet(shape=(2, 4, 2), channels=2, levels=1, init="ntk", output_activation="sin"),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Uses one thread: more slow down networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=SPECS.values(), ids=list(SPECS))
def spec(request: pytest.FixtureRequest) -> Spec:
    return request.param


@pytest.fixture
def record() -> TrainingRecord:
    return TrainingRecord(
        options={"optimizer": "adam", "lr": 1e-3, "batch_size": 20, "tol": 1e-8, "seed": 7},
        steps=1_234,
        loss=0.1 + 0.2,
        converged=False,
        seconds=3.5,
        examples=20,
        data_checksum="ab12",
        targets=False,
        versions={"torch": "2.6"},
        history=(
            HistoryRow(step=0, seconds=0.0, loss=1 / 3, lr=1e-3),
            HistoryRow(step=1_234, seconds=3.5, loss=1e-9, lr=1e-4),
        ),
        source={"name": "digits", "n": 20, "options": {"size": [8, 8], "labels": None}},
    )
