"""DICOM: the picture of a file, each frame an example; a folder of them is read by name.

Numbers are those of the modality, `slope * stored + intercept` (Hounsfield units of a CT), and keep
their range. Of `MONOCHROME1`, which shows large numbers dark, the numbers are not turned round.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.importing import needed_for
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the frames."""
    pydicom = needed_for(str(path), "pydicom", extra="dicom")
    dataset: Any = pydicom.dcmread(path)
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise MnemoscopeError(
            f"{path}, a DICOM file without a picture",
            expected="a file with pixel data",
            todo="choose the files of the series' pictures",
        )
    try:
        stored = dataset.pixel_array
    except RuntimeError as error:  # Of a transfer syntax that no installed package decodes.
        raise MnemoscopeError(
            f"{path}, whose pixels cannot be decoded ({first_line(error)})",
            expected="a transfer syntax that pydicom decodes here",
            todo="install a decoder: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
        ) from error
    from pydicom.pixels.processing import apply_modality_lut

    colour = int(getattr(dataset, "SamplesPerPixel", 1)) > 1
    frames = int(getattr(dataset, "NumberOfFrames", 1) or 1)
    array = stored if colour else np.asarray(apply_modality_lut(stored, dataset))
    array = array if frames > 1 else array[None]
    found = taken(array, selection, str(path), pictures=True)
    return found if colour or found.rule is None else replace(found, rule="keep")


READER = Reader(
    name="DICOM file",
    suffixes=(".dcm", ".dicom"),
    read=read,
    begins=lambda head: head[128:132] == b"DICM",
    parts=True,
)
