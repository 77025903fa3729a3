import base64
import dataclasses
import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest
import torch

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.base.stats import Rate
from mnemoscope.report import write_report
from mnemoscope.report.drawing_code import drawing_code
from mnemoscope.report.embedding import safe_json
from mnemoscope.results.summary import Resolvable
from tests.summaries import (
    made_controls,
    made_measured,
    made_membership,
    made_score,
    made_summary,
)

from .example_audit import edge_audit, frame, full_audit

HOSTILE = "</script><img src=x onerror=alert(1)><!--\"'&{{7*7}}"


class Page(HTMLParser):
    """What a browser would find: elements with attributes, and text outside scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.words = []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside not in ("script", "style", "title") and data.strip():
            self.words.append(" ".join(data.split()))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = write_report(full_audit(), tmp_path_factory.mktemp("page") / "page.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_verdict_comes_first(page):
    verdict = page.words.index(full_audit().verdict)
    headings = [
        place for place, word in enumerate(page.words) if word == "training examples stored"
    ]
    assert verdict < min(headings)
    assert next(tag for tag, _ in page.elements if tag in ("h1", "h2", "img", "dl")) == "h1"


def test_the_sections_stand_in_order(page):
    sections = [attrs["id"] for attrs in page.all("section")]
    assert sections == [
        "findings", "examples", "noise", "spectrum", "recall", "basins", "plane", "training",
        "attractors", "membership", "controls", "limits", "provenance",
    ]  # fmt: skip


def test_membership_controls_and_proofs_are_shown(tmp_path):
    score = made_score(0.875, 0.8, 0.95, tpr_1=0.5, tpr_01=0.5)
    audit = full_audit()
    audit = dataclasses.replace(
        audit,
        examples=audit.examples.with_columns(
            certified_radius=pl.when(pl.col("index") == 3).then(0.0625)
        ),
        roc=frame(
            "roc", [{"score": "distance_moved", "fpr": x, "tpr": y} for x, y in ((0, 0), (1, 1))]
        ),
        summary=audit.summary.model_copy(
            update={
                "certified": Rate.of(1, 20),
                "membership": made_membership(
                    {"distance_moved": score},
                    held_out=40,
                    resolvable=Resolvable(tpr_1=False, tpr_01=False),
                    caveats=("They differ.",),
                ),
                "controls": made_controls(
                    trained=made_measured(stored=(18, 20), contractive=(17, 20)),
                    untrained_missing="no such weights",
                    held_out=made_measured(stored=(0, 40), contractive=(30, 40)),
                    not_specific=("contractive",),
                ),
            }
        ),
    )  # fmt: skip
    words = " ".join(Page(write_report(audit, tmp_path / "page.html").read_text()).words)
    for message in (
        "distance moved largest area 0.875 (0.800 – 0.950)",
        "They differ.",
        "no such weights",
        "stored 18 of 20",
        "30 of 40",
        "not specific",
        "proved, 0.0625",
    ):
        assert message in words, message
    assert words.count("proved, 0.0625") == 1


def test_what_was_not_measured_is_reported(tmp_path):
    audit = full_audit()
    audit = audit.with_summary(black_box=True, certified_missing="it is a U-Net", membership=None)
    words = " ".join(Page(write_report(audit, tmp_path / "page.html").read_text()).words)
    for part in ("could only be evaluated", "it is a U-Net", "no held-out data was given"):
        assert part in words


def test_nothing_is_loaded_from_anywhere(text, page):
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            assert attrs.get(name, "data:").startswith("data:")
    own = text.replace(drawing_code(), "")
    assert not re.findall(r"url\(|@import|import\(|fetch\(|XMLHttpRequest", own)
    assert not re.findall(r"https?://", own)
    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none';")


def test_all_pictures_say_what_they_show(page):
    pictures = page.all("img")
    assert len(pictures) == 20 * 8 + 8 * 7 + 21
    assert all(len(attrs["alt"]) > 8 for attrs in pictures)


def test_examples_stand_sorted(page):
    shown = [int(attrs["data-example"]) for attrs in page.all("article")]
    table = full_audit().examples.sort(
        "stored", "recall_rate", "spectral_radius", descending=[True, True, False]
    )
    assert shown == table["index"].to_list()


def test_tables_can_be_taken_out(page):
    links = {attrs["download"]: attrs["href"] for attrs in page.all("a")}
    audit = full_audit()
    for name in (
        "examples",
        "attractors",
        "recall",
        "curves",
        "starts",
        "basins",
        "spectra",
        "history",
    ):
        content = base64.b64decode(links[f"{name}.csv"].split("base64,")[1])
        assert pl.read_csv(content).height == getattr(audit, name).height


def test_charts_are_json(text):
    found = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    assert len(found) == 4 + 7 + 1
    for block in found:
        json.loads(block)


def test_hostile_strings_stay_strings(tmp_path):
    audit = full_audit()
    known = audit.summary
    audit = audit.with_summary(
        name=HOSTILE,
        certified_missing=HOSTILE,
        recalled=dataclasses.replace(known.recalled, corruption=HOSTILE),
        recall_frames=known.recall_frames.model_copy(update={"corruption": HOSTILE}),
        noise_frames=known.noise_frames.model_copy(update={"kinds": (HOSTILE,) * 8}),
        partial=(HOSTILE,),
    )
    audit.provenance.update(
        command=HOSTILE, date=HOSTILE, settings={HOSTILE: [HOSTILE], "a": {HOSTILE: HOSTILE}}
    )
    audit = dataclasses.replace(
        audit,
        recall=audit.recall.with_columns(pl.lit(HOSTILE).alias("corruption")),
        curves=audit.curves.with_columns(pl.lit(HOSTILE).alias("corruption")),
        starts=audit.starts.with_columns(pl.lit(HOSTILE).alias("kind")),
        attractors=audit.attractors.with_columns(pl.lit(HOSTILE).alias("kind")),
    )
    text = write_report(audit, tmp_path / "page.html").read_text()
    page = Page(text)
    assert "onerror=alert" not in re.sub(r"<script.*?</script>", "", text, flags=re.S).replace(
        "&lt;img src=x onerror=alert", ""
    )
    assert all(attrs["src"].startswith("data:image/png") for attrs in page.all("img"))
    assert not any("onerror" in attrs for _, attrs in page.elements)
    # Text that only looks like a template is not run as one.
    assert "{{7*7}}" in text
    assert text.count("</script>") == text.count("<script")


def test_json_in_scripts_cannot_end_them():
    value = {HOSTILE: [HOSTILE, "\u2028"]}
    text = str(safe_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        safe_json(float("nan"))


def test_the_edge_of_everything(tmp_path):
    text = write_report(edge_audit(), tmp_path / "page.html").read_text()
    words = " ".join(Page(text).words)
    assert edge_audit().verdict in words
    assert "carries no training record" in words
    assert "A plane needs three examples" in words
    assert "No attractor was found." in words
    assert "–" in words
    assert not re.search(r"\b(nan|None|NaN)\b", words)


def test_nothing_optional_is_known(tmp_path):
    audit = dataclasses.replace(
        full_audit(), summary=made_summary(stored=(18, 20)), provenance={}, pictures={}
    )
    text = write_report(audit, tmp_path / "page.html").read_text()
    assert not Page(text).all("img")


def test_many_examples_are_capped_and_the_page_stays_small(tmp_path):
    pictures = torch.rand(500, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    audit = full_audit(500, 5, examples=pictures)
    path = write_report(audit, tmp_path / "page.html")
    text = path.read_text()
    assert path.stat().st_size < 15_000_000
    assert "Showing 100 of 500 examples" in text
    assert len(Page(text).all("article")) == 100


def test_missing_numbers_everywhere(tmp_path):
    audit = full_audit()
    blank = {}
    for name in ("examples", "attractors"):
        table = getattr(audit, name)
        floats = [column for column, kind in table.schema.items() if kind == pl.Float64]
        blank[name] = table.with_columns(pl.lit(float("nan")).alias(column) for column in floats)
    for name in ("recall", "curves"):
        blank[name] = getattr(audit, name).with_columns(
            pl.lit(None, pl.Float64).alias(column) for column in ("rate", "low", "high")
        )
    blank["spectra"] = frame("spectra", [])
    text = write_report(dataclasses.replace(audit, **blank), tmp_path / "page.html").read_text()
    assert not re.search(r"\bnan\b", " ".join(Page(text).words), re.I)


def test_a_crash_leaves_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    audit = dataclasses.replace(full_audit(), summary=None)
    with pytest.raises(AttributeError):
        write_report(audit, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_corruption_of_another_package_has_its_own_label(tmp_path):
    label = CorruptionLabel("fog", "dense fog", "visibility", "fog of visibility {s:g}")
    audit = full_audit()
    audit = audit.with_summary(
        corruptions=(*audit.summary.corruptions, label),
        recalled=dataclasses.replace(audit.summary.recalled, corruption="fog", strength=0.5),
    )
    curves = audit.curves.head(2).with_columns(corruption=pl.lit("fog"))
    path = write_report(dataclasses.replace(audit, curves=curves), tmp_path / "page.html")
    words = " ".join(Page(path.read_text()).words)
    assert "recalled from dense fog, visibility 0.5" in words
    assert "With fog of visibility 0.5" in words
    assert "Corruptions not tried: dense fog" in words
    assert '"title":"visibility"' in path.read_text()
