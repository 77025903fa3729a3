"""What is wrong with an input: mutations of bytes, values, tensors, tables and of files as such."""

import copy
import io
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mutation = Callable[[Path, random.Random], None]

LONG = 50_000


def values(draw: random.Random) -> Any:
    """A value that is right nowhere."""
    return draw.choice(
        [
            None,
            True,
            -1,
            0,
            0.5,
            1e308,
            float("nan"),
            float("inf"),
            10**30,
            -(10**30),
            2**31,
            2**63,
            "",
            "x",
            "\u202e",
            "a\nb",
            "\ud800",
            "../../x",
            "x" * LONG,
            "-" * 300,
            [],
            {},
            [[]],
            [None],
            {"a": 1},
            ["a"],
            [1] * 2000,
            {"x" * LONG: 1},
            deep(80),
            deep(3000),
            "digits",
            "/dev/zero",
            "hf:x",
            "http://x",
            "os:system",
        ]
    )


def deep(levels: int) -> Any:
    """Lists in lists."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def json_values(path: Path, draw: random.Random) -> None:
    """Another value, or none, at some place of a JSON file."""
    tree = json.loads(path.read_text())
    for _ in range(draw.choice([1, 1, 1, 3])):
        places = list(_places(tree, ()))
        if not places:
            break
        where = draw.choice(places)
        node = tree
        for step in where[:-1]:
            node = node[step]
        kind = draw.randrange(6)
        if kind == 0:
            del node[where[-1]]
        elif kind == 1 and isinstance(node, dict):
            node[draw.choice(["x", "path", "é", "x" * LONG])] = values(draw)
        elif kind == 2:
            node[where[-1]] = copy.deepcopy(tree)
        else:
            node[where[-1]] = values(draw)
    path.write_text(_dump(tree))


def json_other(path: Path, draw: random.Random) -> None:
    """JSON of another form, or none."""
    path.write_text(
        draw.choice(
            [
                "",
                " ",
                "null",
                "1",
                "[]",
                "{}",
                '"x"',
                "{" * 100_000,
                "[" * 100_000,
                '{"a":' * 50_000,
                "1" * 100_000,
                "NaN",
                "{'a': 1}",
                _dump(values(draw)),
                '{"format": 1, "format": 2}',
                "\ufeff{}",
                '{"a": 1} x',
            ]
        )
    )


def toml_values(path: Path, draw: random.Random) -> None:
    """A design with lines that are wrong, doubled, gone or far too much."""
    lines = path.read_text().splitlines()
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(lines))
        key = lines[at].partition("=")[0].strip() or "x"
        lines[at] = draw.choice(
            [
                f"{key} = {draw.choice(_TOML)}",
                f"{key} = {draw.choice(_TOML)}",
                f"{key} = {draw.choice(_TOML)}",
                lines[at] * 2,
                "",
                f"[{draw.choice(['zip', 'sample', 'grid', 'spec', 'x', '[zip]'])}]",
                f"{'a.' * draw.choice([5, 30, 3000, 20_000])}a = 1",
                f"[{'a.' * 5000}a]",
                f"spec.{draw.choice(['width', 'depth', 'shape', 'init'])} = {draw.choice(_TOML)}",
                f"training.{draw.choice(['lr', 'tol', 'max_steps'])} = {draw.choice(_TOML)}",
                f"measure.take = {draw.choice(_TOML)}",
                f"{key} = [{', '.join([draw.choice(_TOML)] * 3)}]",
            ]
        )
    path.write_text("\n".join(lines) + "\n")


_TOML = [
    "true",
    "-1",
    "0",
    "1e308",
    "nan",
    "inf",
    "10000000000000000000000000",
    "2147483648",
    "''",
    "'x'",
    "'../x'",
    "[]",
    "{}",
    "[[]]",
    "1979-05-27",
    "{a.b.c = 1}",
    f"'{'x' * LONG}'",
    "[" * 3000 + "]" * 3000,
    "[" * 60 + "]" * 60,
    f"{{{'a.' * 3000}a = 1}}",
    '"""x',
    "0x10",
    "1_000_000_000",
    "'digits'",
    "'\\u0000'",
    '"\\u0000"',
    "['stored']",
    "['os:system']",
    "4611686018427387904",
    "'hf:x'",
    "'s3://x'",
    "1.5",
    "[1, 1]",
    "['scaled(1e400)']",
    "9999999999999999",
]


def flipped(path: Path, draw: random.Random) -> None:
    """Some bytes changed."""
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 4, 40])):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


def early(path: Path, draw: random.Random) -> None:
    """Bytes changed near the beginning, where headers are."""
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 2, 8])):
        if content:
            content[draw.randrange(min(200, len(content)))] = draw.randrange(256)
    path.write_bytes(bytes(content))


def cut(path: Path, draw: random.Random) -> None:
    """The end missing."""
    content = path.read_bytes()
    path.write_bytes(content[: draw.choice([0, 1, 7, 8, 9, len(content) - 1, len(content) // 2])])


def grown(path: Path, draw: random.Random) -> None:
    """Something inserted, doubled or appended."""
    content = path.read_bytes()
    at = draw.randrange(len(content) + 1)
    more = draw.choice([b"\0" * 1000, content, b"\xff" * 9, b"{}", b"PK\x03\x04", os.urandom(64)])
    path.write_bytes(content[:at] + more + content[at:])


def of_another_kind(path: Path, draw: random.Random) -> None:
    """The beginning of a file of some other kind."""
    starts = [
        b"\x89PNG\r\n\x1a\n",
        b"PK\x03\x04",
        b"\x80\x04cos\nsystem\n(S'touch executed'\ntR.",
        b"\x80\x02cposix\nsystem\nq\0X\x0e\0\0\0touch executedq\1\x85q\2Rq\3.",
        b"\x93NUMPY\x01\0",
        b"PAR1",
        b"GIF89a",
        b"%PDF-1.7",
        b"\x1f\x8b\x08",
        b"\x7fELF",
        b"#!/bin/sh\ntouch executed\n",
        b"8\0\0\0\0\0\0\0{}",
        struct.pack("<Q", 2**63 - 1) + b"{}",
    ]
    path.write_bytes(draw.choice(starts) + os.urandom(draw.choice([0, 10, 3000])))


def safetensors_header(path: Path, draw: random.Random) -> None:
    """Other dtypes, shapes, places and words in the header."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    names = [name for name in header if name != "__metadata__"]
    name = draw.choice(names)
    one = header[name]
    kind = draw.randrange(7)
    if kind == 0:
        dtypes = [
            "F8_E4M3",
            "F8_E5M2",
            "F8_E8M0",
            "F4",
            "F6_E2M3",
            "BF16",
            "F16",
            "I64",
            "U16",
            "U64",
            "BOOL",
            "C64",
            "X",
        ]
        _recast(header, one, draw.choice(dtypes))
    elif kind == 1:
        one["shape"] = draw.choice([[], [0], [-1], [2**40, 2**40], [1] * 500, "x", [1.5], None])
    elif kind == 2:
        one["data_offsets"] = draw.choice([[0, 2**60], [4, 0], [0, 0], "x", [-4, 0], None])
    elif kind == 3:
        header["__metadata__"] = draw.choice([None, [], {"spec": "{}"}, {"format": "pt"}, {"a": 1}])
    elif kind == 4 and isinstance(header.get("__metadata__"), dict):
        words = header["__metadata__"]
        chosen = draw.choice(list(words))
        words[chosen] = draw.choice(["", "{}", "[" * 9000, "x" * LONG, _dump(values(draw))])
        if chosen == "spec" and draw.random() < 0.6:
            spec = {"kind": "fully_connected", "shape": [1, 4, 4], "width": 12, "depth": 2}
            spec[draw.choice([*spec, "init", "bias", "x"])] = values(draw)
            words[chosen] = _dump(spec)
    elif kind == 5:
        header[draw.choice(["x" * LONG, "\u202e", "", "a.b"])] = header.pop(name)
    else:
        header[name] = values(draw)
    text = _dump(header).encode(errors="replace")
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def _recast(header: dict[str, Any], one: dict[str, Any], dtype: str) -> None:
    """The same bytes under another dtype, in a shape that has as many."""
    bits = {
        "F4": 4,
        "F6_E2M3": 6,
        "BF16": 16,
        "F16": 16,
        "I64": 64,
        "U16": 16,
        "U64": 64,
        "C64": 64,
    }
    begin, end = one["data_offsets"]
    one["dtype"] = dtype
    one["shape"] = [1, (end - begin) * 8 // bits.get(dtype, 8)]


def tensors(path: Path, draw: random.Random) -> None:
    """Tensors of a kind that the others are not, in a `.pt` or `.safetensors`."""
    import torch

    x = torch.rand(3, 1, 4, 4)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        dtype = draw.choice(
            [
                torch.float8_e4m3fn,
                torch.float8_e5m2,
                torch.int64,
                torch.bool,
                torch.complex64,
                torch.uint16,
                torch.float16,
                torch.bfloat16,
            ]
        )
        name = draw.choice(["X", "0.weight"])
        save_file({name: x.to(dtype), **({} if draw.random() < 0.5 else {"b": x})}, path)
        return
    made: list[Any] = [
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(1).expand(3, 10**9),
        torch.zeros(1, 16).expand(10**8, 16),
        {"X": torch.zeros(1).expand(10**5, 10**5)},
        {"0.weight": torch.zeros(1).expand(10**6, 10**6)},
        x.to(torch.float8_e4m3fn),
        x.to(torch.complex64),
        x.to_sparse(),
        x * float("nan"),
        x * float("inf"),
        x.to(torch.int64) * 10**12,
        torch.empty(3, 4, device="meta"),
        [x, x],
        (x,),
        {"a": {"b": x}},
        {1: x},
        {},
        [],
        None,
        5,
        "x",
        x[:0],
        torch.tensor(1.0),
        {"0.weight": x},
        {"state_dict": {"state_dict": 1}},
        torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
        torch.nn.Linear(2, 2),
        {"X": x, "x": x},
        x.double() + 1e300,
    ]
    torch.save(draw.choice(made), path)


def arrays(path: Path, draw: random.Random) -> None:
    """Arrays of other dtypes, shapes and values, in a `.npy` or `.npz`."""
    import numpy as np

    x = np.random.default_rng(draw.randrange(99)).random((3, 1, 4, 4))
    made: list[Any] = [
        x.astype(complex),
        x.astype("f2"),
        x.astype(">f4"),
        x.astype("f16"),
        x * np.nan,
        x * np.inf,
        x * 1e300,
        x - 5,
        x[:0],
        np.float32(1),
        x.astype(str),
        x.astype(object),
        x.astype("M8[s]"),
        x.astype(bool),
        (x * 1e4).astype("i8"),
        np.asfortranarray(x),
        np.zeros((3, 0)),
        np.zeros((0, 3)),
        np.zeros(5),
        np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]),
        np.zeros((2, 2, 2, 2, 2, 2)),
        (x * 255).astype("u1"),
        np.zeros((3, 1, 5000, 1), "f4"),
        x.astype("S4"),
        np.broadcast_to(np.float32(0), (3, 4)),
    ]
    one = draw.choice(made)
    if path.suffix == ".npz":
        names = draw.choice([["X"], ["a", "b"], ["X", "x"], ["../x"]])
        np.savez_compressed(path, **dict.fromkeys(names, one))
        return
    np.save(path, one, allow_pickle=True)
    if draw.random() < 0.4:
        content = path.read_bytes()
        shape = draw.choice(
            [b"(99999999999999,)", b"(-1, 4)", b"(" * 200, b"(3, 1, 4, 4000000000)"]
        )
        begin, end = content.find(b"(", 10), content.find(b")", 10)
        path.write_bytes(content[:begin] + shape + content[end + 1 :])


def tables(path: Path, draw: random.Random) -> None:
    """Columns of other types, doubled, missing, empty, nested."""
    import polars as pl

    frame = pl.read_parquet(path)
    names = frame.columns
    kind = draw.randrange(7)
    some = draw.sample(names, min(len(names), draw.choice([1, 1, 3, len(names)])))
    if kind == 0:
        frame = frame.with_columns(pl.col(name).cast(pl.Utf8, strict=False) for name in some)
    elif kind == 1:
        frame = frame.drop(some)
    elif kind == 2:
        frame = frame.with_columns(pl.lit(None).alias(name) for name in some)
    elif kind == 3:
        text = draw.choice(["", "x", "{}", "[" * 9000, "x" * LONG, "null"])
        frame = frame.with_columns(pl.lit(text).alias(name) for name in some)
    elif kind == 4:
        frame = frame.with_columns(pl.struct(pl.lit(1).alias("a")).alias(name) for name in some)
    elif kind == 5:
        number = draw.choice([-1, 2**62, float("nan"), float("inf"), 1e308])
        frame = frame.with_columns(pl.lit(number).alias(name) for name in some)
    else:
        frame = draw.choice(
            [frame.head(0), pl.concat([frame] * 3), frame.select(pl.lit("x").alias("key"))]
        )
    frame.write_parquet(path)


def configurations(path: Path, draw: random.Random) -> None:
    """Rows whose configuration is damaged."""
    import polars as pl

    frame = pl.read_parquet(path)
    if "configuration" not in frame.columns or not frame.height:
        tables(path, draw)
        return
    configuration = json.loads(frame["configuration"][0])
    section = draw.choice(list(configuration))
    if isinstance(configuration[section], dict) and draw.random() < 0.7:
        configuration[section][draw.choice([*configuration[section], "x"])] = values(draw)
    else:
        configuration[section] = values(draw)
    whole = _dump(configuration)
    text = draw.choice([whole, whole, whole[:-9], "", "[]", "x" * LONG])
    clean = text.encode(errors="replace").decode()
    frame.with_columns(pl.lit(clean).alias("configuration")).write_parquet(path)


def not_a_file(path: Path, draw: random.Random) -> None:
    """A pipe, device, folder, link or hole where the file belongs."""
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.moved"))
    else:
        path.unlink()
    kind = draw.randrange(8)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.symlink_to("/dev/zero")
    elif kind == 3:
        path.symlink_to(path.name)
    elif kind == 4:
        path.symlink_to("nowhere")
    elif kind == 5:
        path.symlink_to("/dev/null")
    elif kind == 6:
        with path.open("wb") as file:
            file.truncate(2**40)


def _places(node: Any, way: tuple[Any, ...]) -> Any:
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield (*way, key)
        yield from _places(value, (*way, key))


def _dump(value: Any) -> str:
    """JSON, however deep."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 3000 + "]" * 3000


def picture(path: Path, draw: random.Random) -> None:
    """A picture of another size or mode."""
    from PIL import Image

    mode = draw.choice(["1", "L", "RGB", "RGBA", "CMYK", "I;16", "P", "LA", "F"])
    side = draw.choice([(1, 1), (4, 4), (5, 4), (1, 5000), (3000, 3000)])
    image = Image.new(mode, side)
    target = io.BytesIO()
    image.save(target, format="PNG" if mode not in ("CMYK", "F") else "TIFF")
    path.write_bytes(target.getvalue())
