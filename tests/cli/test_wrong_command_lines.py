"""A command line that fits no command is refused in one line, with the way out."""

import errno

import pytest


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "trian digits",
            [
                'Unknown command "trian"',
                "demo, train, store, audit, extract, compare, report",
                "train",
            ],
        ),
        ("--jsno", "one of demo, train, store, audit, extract, compare, report"),
        ("train", ["--data", "see mnemoscope train --help"]),
        ("audit", "see mnemoscope audit --help"),
        ("report", "see mnemoscope report --help"),
        ("train digits --depht 3", "did you mean --depth?"),
        ("train digits -z", "Unknown option: -z"),
        ("train digits photos", "photos"),
        ("train digits --n", "--n requires an argument"),
        ("train digits -n 3 -n 4", "multiple times"),
        ("train digits -n x", ['-n "x"', "a whole number"]),
        ("train digits -n 1.5", ['-n "1.5"', "a whole number"]),
        ("train digits --width 4.5", ['--width "4.5"', "a whole number"]),
        ("train digits --tol abc", ["abc", "a number"]),
        ("train digits --net resnet", "one of fully_connected, convolutional, unet"),
        ("train digits --schedule cos", "plateau, cosine, constant"),
        ("train digits --json=5", "--json"),
        ("audit x --fail-on memory", "stored, disclosed"),
        ("report x --format gif", "svg, pdf, png, html"),
        ("demo --data cats", "photos, digits"),
    ],
)
def test_what_fits_no_command(refused, line, says):
    refused(*line.split(), says=says)


def test_as_a_process(refused, process):
    refused("train", "digits", "--depht", "3", says="--depth", call=process)


@pytest.mark.parametrize("option", ["--out", "--spec"])
def test_an_empty_path(refused, option):
    refused("train", "digits", option, "", says="an empty path")


@pytest.mark.parametrize("device", ["nonsense", "", "meta", "cpu:7", "cuda:99", "mps:3", "hpu"])
@pytest.mark.parametrize("command", ["train digits", "audit x", "demo"])
def test_a_device_that_is_not_there(refused, command, device):
    refused(*command.split(), "--device", device, says=["--device", "use --device cpu"])


def test_cuda_where_there_is_none(refused):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    refused("train", "digits", "--device", "cuda", says="--device cuda")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError("libgomp.so.1: failed to map segment from shared object"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        SystemError("initialization of _multiarray raised unreported exception"),
        SystemError("error return without exception set"),
        SystemError("<function f> returned NULL without setting an exception"),
    ],
    ids=str,
)
def test_too_little_memory(refused, monkeypatch, error):
    """What the operating system, Python and PyTorch raise where memory is short."""

    def fail(arguments):
        raise error

    monkeypatch.setattr("mnemoscope.cli.app.run", fail)
    refused("train", "digits", says="out of memory")
