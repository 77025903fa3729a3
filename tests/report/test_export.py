import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.report import write_charts

from .example_audit import edge_audit, full_audit

NAMES = ["spectrum", "recall", "basins", "plane", "training"]
MAGIC = {"svg": b"<svg", "pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "html": b"<!doctype html>"}


@pytest.mark.parametrize("format", MAGIC)
def test_every_format(tmp_path, format):
    written = write_charts(full_audit(), tmp_path / "new" / "charts", format=format)
    assert [path.name for path in written] == [f"{name}.{format}" for name in NAMES]
    for path in written:
        assert path.read_bytes().startswith(MAGIC[format])
        assert path.stat().st_size > 1000


def test_only_charts_with_data_are_written(tmp_path):
    assert [path.name for path in write_charts(edge_audit(), tmp_path)] == ["basins.svg"]


def test_an_unknown_format_names_the_known(tmp_path):
    with pytest.raises(MnemoscopeError, match=r"'gif'.*svg, pdf, png, html"):
        write_charts(full_audit(), tmp_path, format="gif")
