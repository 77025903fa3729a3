import io
import pickle
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from mnemoscope import data
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Reading

datasets = pytest.importorskip("datasets")

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
X = torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255
FEATURES = {"label": datasets.Value("int64"), "picture": datasets.Image()}


def dataset(pixels: Sequence[np.ndarray | None] | np.ndarray = PIXELS):
    pictures = [None if p is None else Image.fromarray(p) for p in pixels]
    columns = {"label": list(range(len(pictures))), "picture": pictures}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(FEATURES))


@pytest.fixture(scope="module", autouse=True)
def caches(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
        patch.setattr(datasets.config, "HF_MODULES_CACHE", str(cache))
        yield


def on_disk(folder):
    dataset().save_to_disk(folder)


def on_disk_in_splits(folder):
    datasets.DatasetDict(train=dataset(), test=dataset(PIXELS[3:])).save_to_disk(folder)


def parquet(folder):
    folder.mkdir()
    dataset().to_parquet(folder / "train.parquet")
    dataset(PIXELS[3:]).to_parquet(folder / "test.parquet")


def pictures(folder):
    folder.mkdir()
    for i, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{i}.png")


KINDS = [on_disk, on_disk_in_splits, parquet, pictures]


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def source(request, tmp_path):
    request.param(tmp_path / "set")
    return f"hf:{tmp_path / 'set'}"


def test_every_kind_of_folder(source):
    assert torch.equal(data.load_data(source), X)


def test_n_and_offset(source):
    assert torch.equal(data.load_data(source, n=2, offset=3), X[3:5])


@pytest.mark.parametrize("options", [{"n": 7}, {"offset": 6}, {"n": 3, "offset": 5}, {"offset": 9}])
def test_asking_for_too_many_tells_how_many_there_are(source, options):
    with pytest.raises(MnemoscopeError, match="which has 6 examples"):
        data.load_data(source, **options)


def test_size_and_grey(source):
    assert data.load_data(source, n=2, size=4, gray=True).shape == (2, 1, 4, 4)


@pytest.mark.parametrize("make", [on_disk_in_splits, parquet])
def test_a_split(tmp_path, make):
    make(tmp_path / "set")
    assert torch.equal(data.load_data(f"hf:{tmp_path / 'set'}:test"), X[3:])


def test_an_unknown_split_lists_the_known(source):
    with pytest.raises(MnemoscopeError, match=r"nope.*train"):
        data.load_data(f"{source}:nope")


@pytest.mark.parametrize("split", ["train[:3]", ""])
def test_a_part_of_a_split_is_chosen_with_n_and_offset(tmp_path, split):
    on_disk(tmp_path / "set")
    with pytest.raises(MnemoscopeError, match="choose a part of a split with n and offset"):
        data.load_data(f"hf:{tmp_path / 'set'}:{split}")


def test_only_the_rows_asked_for_are_decoded(tmp_path):
    pictures(tmp_path / "set")
    (tmp_path / "set" / "5.png").write_bytes(b"broken")
    assert torch.equal(data.load_data(f"hf:{tmp_path / 'set'}", n=5), X[:5])


def test_a_broken_picture(tmp_path):
    pictures(tmp_path / "set")
    (tmp_path / "set" / "5.png").write_bytes(b"broken")
    with pytest.raises(MnemoscopeError, match="which cannot be loaded"):
        data.load_data(f"hf:{tmp_path / 'set'}")


def test_a_row_without_a_picture(tmp_path):
    dataset([*PIXELS[:2], None]).save_to_disk(tmp_path / "set")
    with pytest.raises(MnemoscopeError, match="row 2, which has no picture"):
        data.load_data(f"hf:{tmp_path / 'set'}")


def saved(tmp_path, **columns):
    datasets.Dataset.from_dict(columns).save_to_disk(tmp_path / "set")
    return f"hf:{tmp_path / 'set'}"


def test_a_column_of_numbers(tmp_path):
    source = saved(tmp_path, label=[1, 2], name=["a", "b"], values=[[0.0, 0.5], [1.0, 0.25]])
    assert data.load_data(source).tolist() == [[0, 0.5], [1, 0.25]]


def test_a_column_of_integers_keeps_its_numbers_unless_they_are_to_be_divided(tmp_path):
    source = saved(tmp_path, pixels=[[[0, 255], [51, 0]]] * 2)
    assert data.load_data(source)[0].flatten().tolist() == [0, 255, 51, 0]
    loaded = data.load_data(source, scale="divide")
    assert loaded.shape == (2, 1, 2, 2)
    assert loaded[0, 0].flatten().tolist() == pytest.approx([0, 1, 0.2, 0])


def test_bytes_are_read_alike_in_every_part_of_a_column(tmp_path):
    features = datasets.Features({"x": datasets.Array2D((1, 2), "uint8")})
    rows = {"x": [[[0, 51]], [[0, 255]]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    source = f"hf:{tmp_path / 'set'}"
    assert data.load_data(source)[0].flatten().tolist() == pytest.approx([0, 0.2])
    assert torch.equal(data.load_data(source, n=1), data.load_data(source)[:1])


def test_the_format_a_dataset_was_saved_with_does_not_matter(tmp_path):
    dataset().with_format("torch").save_to_disk(tmp_path / "set")
    assert torch.equal(data.load_data(f"hf:{tmp_path / 'set'}"), X)


VECTORS = [[0.0, 0.5], [1.0, 0.25]]
OTHERS = [[0.25, 0.0], [0.75, 1.0]]


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({"label": [[1, 0], [0, 1]], "x": VECTORS}, "x"),
        ({"labels": OTHERS, "something": VECTORS}, "something"),
        ({"pixel_mask": OTHERS, "attention_mask": OTHERS, "reading": VECTORS}, "reading"),
        ({"spectrum": OTHERS, "features": VECTORS}, "features"),
        ({"targetBox": OTHERS, "X": VECTORS, "name": ["a", "b"]}, "X"),
    ],
)
def test_the_column_of_examples_is_taken_and_named(tmp_path, caplog, columns, taken):
    source = saved(tmp_path, **columns)
    assert data.load_data(source).tolist() == VECTORS
    assert f"column {taken} is taken" in caplog.text
    assert data.load.read_examples(source).record["column"] == taken


def test_lists_of_class_labels_are_no_examples(tmp_path):
    features = datasets.Features(
        {
            "tags": datasets.Sequence(datasets.ClassLabel(names=["a", "b"])),
            "depth": datasets.Sequence(datasets.Value("float32")),
        }
    )
    rows = {"tags": [[0, 1], [1, 1]], "depth": VECTORS}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    assert data.load_data(f"hf:{tmp_path / 'set'}").tolist() == VECTORS


@pytest.mark.parametrize(
    "columns",
    [
        {"left": VECTORS, "right": OTHERS},
        {"x": VECTORS, "image": OTHERS},
        {"mask": VECTORS},
        {"label": VECTORS, "id": OTHERS},
    ],
)
def test_where_several_columns_could_be_meant_the_caller_is_asked(tmp_path, columns):
    source = saved(tmp_path, **columns)
    first, last = next(iter(columns)), list(columns)[-1]
    with pytest.raises(MnemoscopeError, match=rf"{first}.*could hold.*--column {first}"):
        data.load_data(source)
    assert data.load_data(source, reading=Reading(column=last)).tolist() == columns[last]


def test_a_column_that_is_not_there_lists_those_that_are(tmp_path):
    source = saved(tmp_path, x=VECTORS, name=["a", "b"])
    for wrong in ("name", "pixels"):
        with pytest.raises(MnemoscopeError, match=rf"column '{wrong}'.*examples: x;"):
            data.load_data(source, reading=Reading(column=wrong))


def test_pictures_go_before_arrays_and_masks_are_passed_over(tmp_path):
    kinds = dict.fromkeys(("mask", "scan"), datasets.Image())
    features = datasets.Features({**kinds, "x": datasets.Sequence(datasets.Value("float32"))})
    masks = [Image.new("L", (8, 8), 255)] * 6
    scans = [Image.fromarray(p) for p in PIXELS]
    rows = {"mask": masks, "scan": scans, "x": [[0.0]] * 6}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    source = f"hf:{tmp_path / 'set'}"
    assert torch.equal(data.load_data(source), X)
    assert data.load_data(source, reading=Reading(column="mask")).unique().tolist() == [1]


def test_a_picture_of_several_pages_is_refused(tmp_path):
    stack = [Image.new("L", (4, 4), v) for v in (0, 9)]
    file = io.BytesIO()
    stack[0].save(file, "TIFF", save_all=True, append_images=stack[1:])
    features = datasets.Features({"picture": datasets.Image()})
    rows = {"picture": [{"bytes": file.getvalue(), "path": None}]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    with pytest.raises(MnemoscopeError, match="row 0, a picture of 2 pages"):
        data.load_data(f"hf:{tmp_path / 'set'}")


def test_rows_of_different_shapes(tmp_path):
    source = saved(tmp_path, values=[[0.0, 0.5], [1.0]])
    with pytest.raises(MnemoscopeError, match="whose rows differ in shape"):
        data.load_data(source)


def test_no_column_to_take(tmp_path):
    source = saved(tmp_path, label=[1, 2], name=["a", "b"])
    with pytest.raises(MnemoscopeError, match="with columns label, name; expected columns of"):
        data.load_data(source)


def test_a_dataset_without_rows(tmp_path):
    dataset([]).save_to_disk(tmp_path / "set")
    with pytest.raises(MnemoscopeError, match="which has no examples"):
        data.load_data(f"hf:{tmp_path / 'set'}")


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(MnemoscopeError, match="a folder that does not exist"):
        data.load_data(f"hf:{tmp_path / 'nothing'}")


def test_a_folder_without_data(tmp_path):
    with pytest.raises(MnemoscopeError, match="which cannot be loaded"):
        data.load_data(f"hf:{tmp_path}")


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Couldn't reach 'nobody/nothing' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(MnemoscopeError, match=r"Couldn't reach .*check the name.*the network"):
        data.load_data("hf:nobody/nothing")


def test_offline_the_hub_is_not_waited_for(monkeypatch, refusal):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    start = time.monotonic()
    message = refusal("hf:nobody/nothing")
    assert time.monotonic() - start < 5
    assert "hf:nobody/nothing, which cannot be loaded" in message
    assert "network" in message


def test_a_pickle_in_the_folder_is_never_loaded(trap, tmp_path, refusal):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.pkl").write_bytes(pickle.dumps(trap))
    assert "which cannot be loaded" in refusal(f"hf:{tmp_path / 'set'}")


def test_without_the_package_the_way_to_install_it_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MnemoscopeError, match=r"pip install 'mnemoscope\[hf\]'"):
        data.load_data("hf:mnist")
