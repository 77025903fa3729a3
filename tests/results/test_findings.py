"""Findings say what was measured and nothing else, and read as sentences."""

import dataclasses
import re

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.text import listed, percent
from mnemoscope.results.audit import Audit
from mnemoscope.results.finding import findings
from mnemoscope.results.summary import Resolvable, TwoSample
from mnemoscope.results.tables import SCHEMAS
from tests.summaries import (
    made_controls,
    made_measured,
    made_membership,
    made_score,
    made_summary,
)


def rows(name, *given):
    blank = dict.fromkeys(SCHEMAS[name])
    return pl.DataFrame([{**blank, **row} for row in given], schema=SCHEMAS[name])


def starts(kind, number=10, at_examples=0, **more):
    made_of = {"kind": kind, "starts": number, "at_examples": at_examples}
    return {**made_of, "applications": 10 * number, **more}


def basin(kind, attractor, hits):
    return {"kind": kind, "attractor": attractor, "starts": hits}


def made(
    n=4, stored=(), *, noise=(), basins=(), back=(), residual=1.0, applications=None, **summary
):
    """An audit of `n` examples; example `i` of those stored has attractor `10 + i`."""
    noise = noise or [starts("uniform", 40)]
    if applications is not None:
        noise = [row | {"applications": a} for row, a in zip(noise, applications, strict=True)]
    examples = [
        {"index": i, "stored": i in stored, "attractor": 10 + i if i in stored else -1,
         "residual": residual, "certified_radius": None}
        for i in range(n)
    ]  # fmt: skip
    recall = [{"example": i, "trials": 2, "recalled": int(i in back)} for i in range(n)]
    filled = ("examples", "recall", "starts", "basins")
    empty = {name: rows(name) for name in SCHEMAS if name not in filled}
    return Audit(
        **empty,
        examples=rows("examples", *examples),
        recall=rows("recall", *recall),
        starts=rows("starts", *noise),
        basins=rows("basins", *basins),
        summary=made_summary(stored=(len(stored), n), **summary),
        provenance={"settings": {"max_steps": 1000}},
        pictures={},
    )


def found(audit):
    message = {finding.kind: finding for finding in findings(audit)}
    for finding in message.values():
        for text in (finding.headline, finding.by_whom, finding.how_sure):
            assert text[0].isupper() or text[0].isdigit(), text
            assert text.endswith("."), text
            assert not re.search(r"nan|None|\.\.|  |\b1 (starts|scores|copies)\b", text), text
    return message


NOISE = "can be extracted from the network without training data"


@pytest.mark.parametrize(
    ("n", "reached", "headline"),
    [
        (1, [0], f"The training example {NOISE}."),
        (4, [0, 1, 2, 3], f"All 4 training examples {NOISE}."),
        (4, [2], f"Training example 2 {NOISE} (1 of 4)."),
        (9, [0, 1, 2, 3, 7], f"5 of 9 training examples {NOISE}: 0–3 and 7."),
    ],
)
def test_which_examples_come_out_of_noise(n, reached, headline):
    audit = made(
        n,
        reached,
        noise=[starts("uniform", 40, 30)],
        basins=[basin("uniform", 10 + i, 2) for i in reached],
    )
    finding = found(audit)["extracted"]
    assert finding.headline == headline
    assert finding.examples == tuple(reached)
    assert finding.severity == "high"
    assert finding.certainty == "observed"
    # Wilson's interval of 30 of 40.
    assert (
        "30 of 40 starts ended at a training example (95% interval 60% to 86%)" in finding.how_sure
    )
    assert "has the weights, or can send inputs" in finding.by_whom
    # Of 40 starts, 10 applications each, 2 lead to one.
    assert "about 200 applications" in finding.by_whom


def test_what_came_only_from_data_did_not_come_from_noise():
    audit = made(
        stored=[0, 1, 2, 3],
        back=[0, 1, 3],
        noise=[starts("uniform", 10, 1), starts("corrupted", 8), starts("held_out", 5, 2)],
        basins=[
            basin("uniform", 10, 1), basin("corrupted", 11, 9),
            basin("held_out", 10, 1), basin("held_out", 12, 1),
        ],
    )  # fmt: skip
    message = found(audit)
    assert {kind: message[kind].examples for kind in message} == {
        "extracted": (0,),
        "extracted_with_data": (2,),
        "recalled": (0, 1, 3),
    }
    assert "10 starts from noise" in message["extracted"].by_whom


def test_applications_by_hand():
    """Uniform: 100 applications, 5 and 2 hits, so 20 and 50. Pink: 300, 10 and 30 hits, so 30, 10.
    What bred starts hit is not counted, what they cost is."""
    noise = [starts("uniform", 10), starts("pink", 50), starts("bred", 40)]
    basins = [
        basin("uniform", 10, 5), basin("uniform", 11, 2), basin("pink", 10, 10),
        basin("pink", 11, 30), basin("bred", 10, 40),
    ]  # fmt: skip
    audit = made(2, [0, 1], noise=noise, basins=basins, applications=[100, 300, 7])
    by_whom = found(audit)["extracted"].by_whom
    assert "100 starts from noise, 407 applications of the network in all" in by_whom
    assert "easiest example takes about 10 applications, the hardest about 20 app" in by_whom
    assert "at most" not in by_whom


def test_what_only_bred_starts_reached():
    audit = made(1, [0], noise=[starts("bred", 5, 5)], basins=[basin("bred", 10, 5)])
    assert "only starts bred from attractors" in found(audit)["extracted"].by_whom


def test_corrupted_copies():
    curves = [
        ("gaussian", 0.1, 0.9), ("gaussian", 0.4, 0.5), ("gaussian", 0.8, 0.49),
        ("mask_block", 0.25, 0.6),
    ]  # fmt: skip
    noise = [starts("uniform"), starts("corrupted", 8)]
    audit = dataclasses.replace(
        made(stored=[1, 2], back=[1], noise=noise, recalled=(9, 10)),
        curves=rows("curves", *({"corruption": c, "strength": s, "rate": r} for c, s, r in curves)),
    )
    finding = found(audit)["recalled"]
    assert finding.examples == (1,)
    assert (
        "noise of standard deviation 0.4; a block of 25% of the picture masked." in finding.how_sure
    )
    assert "9 of 10 copies" in finding.how_sure
    assert "60% to 98%" in finding.how_sure
    assert "on average 10 applications" in finding.by_whom
    assert found(audit)["stored"].examples == (2,)


def test_nothing_found_is_reported_and_is_no_proof():
    message = found(made(stored=[]))
    assert list(message) == ["nothing"]
    assert message["nothing"].certainty == "not_found"
    assert message["nothing"].severity == "none"
    assert "40 starts of 1 kind from noise and 8 corrupted copies" in message["nothing"].by_whom
    assert "0 of 4" in message["nothing"].how_sure


def test_reproduced_is_not_stored():
    """The identity gives everything back and remembers nothing."""
    X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    message = found(mn.audit(lambda z: z, X, starts=20, trials=2))
    assert list(message) == ["reproduced", "nothing"]
    assert message["reproduced"].examples == (0, 1, 2)


@pytest.mark.parametrize(
    ("certified", "certainty", "says"),
    [
        ([0, 1], "proved", "That all of them are stored is proved."),
        ([1], "observed", "That 1 is stored is proved."),
        ([], "observed", None),
    ],
)
def test_what_is_proved(certified, certainty, says):
    audit = made(2, [0, 1], basins=[basin("uniform", 10, 1), basin("uniform", 11, 1)])
    radius = pl.when(pl.col("index").is_in(certified)).then(0.1)
    audit = dataclasses.replace(
        audit, examples=audit.examples.with_columns(radius.alias("certified_radius"))
    )
    finding = found(audit)["extracted"]
    assert finding.certainty == certainty
    assert says in finding.how_sure if says else "proved" not in finding.how_sure


def test_what_is_positive_on_a_control_is_not_specific():
    controls = made_controls(untrained=made_measured(stored=(3, 4)), not_specific=("stored",))
    audit = made(stored=[0], basins=[basin("uniform", 10, 1)], controls=controls)
    message = found(audit)
    assert message["extracted"].certainty == "not_specific"
    assert "being stored" in message["extracted"].how_sure
    assert "stores 3 of 4" not in message["extracted"].how_sure
    assert "being stored" in message["not_specific"].headline
    assert "untrained" in message["not_specific"].how_sure
    assert "not trained on" not in message["not_specific"].how_sure


def test_a_control_that_is_not_positive_is_reported():
    controls = made_controls(
        untrained=made_measured(stored=(0, 4)),
        held_out=made_measured(stored=(1, 30)),
        not_specific=("settled",),
    )
    message = found(made(stored=[0], back=[0], controls=controls))
    assert message["recalled"].certainty == "observed"
    assert "stores 0 of 4" in message["recalled"].how_sure
    assert "stores 1 of 30" in message["recalled"].how_sure
    assert "settling at an attractor" in message["not_specific"].headline


def test_no_untrained_network_to_compare_with():
    controls = made_controls(untrained_missing="no parameters")
    message = found(made(stored=[0], back=[0], controls=controls))
    assert "For comparison" not in message["recalled"].how_sure
    assert "not_specific" not in message


def test_queries_suffice_for_a_black_box():
    audit = made(stored=[0], basins=[basin("uniform", 10, 1)], black_box=True)
    finding = found(audit)["extracted"]
    assert "weights" not in finding.by_whom
    assert "can send inputs" in finding.by_whom


def score(auc, low, high):
    return made_score(auc, low, high, tpr_1=0.5, tpr_1_low=0.4, tpr_1_high=0.6)


def member(two_sample=None, **scores):
    return made(membership=made_membership(scores, two_sample=two_sample))


def test_membership_that_can_be_reported():
    message = found(member(spectral_radius=score(0.9, 0.8, 0.97), loss=score(0.6, 0.45, 0.7)))
    finding = message["member"]
    assert finding.certainty == "observed"
    assert "independently of the network was not tested." in finding.how_sure
    assert "area under the curve 0.90 (95% interval 0.80 to 0.97" in finding.how_sure
    assert "The loss alone: 0.60 (95% interval 0.45 to 0.70)" in finding.how_sure
    assert "50% of the training examples are found" in finding.how_sure
    assert "weights" in finding.by_whom.split("it takes")[1]
    assert "the example in question" in finding.by_whom


def test_the_loss_is_named_where_nothing_is_better():
    message = found(member(residual=score(0.9, 0.8, 0.97), loss=score(0.9, 0.8, 0.97)))
    assert "The score is its loss; it takes one application" in message["member"].by_whom
    assert "The loss alone" not in message["member"].how_sure


def test_membership_that_cannot_be_reported():
    """Only an interval above one half tells; the largest area alone may be chance."""
    message = found(member(residual=score(0.7, 0.49, 0.8), loss=score(0.4, 0.2, 0.6)))
    assert "member" not in message
    assert message["no_member"].certainty == "not_found"
    assert message["no_member"].severity == "none"


def test_rates_that_so_few_examples_do_not_resolve_are_left_out():
    few = made_score(0.9, 0.8, 0.97, **dict.fromkeys(("tpr_1", "tpr_1_low", "tpr_1_high")))
    assert "false positive rate of 1%" not in found(member(loss=few))["member"].how_sure
    scores = {"loss": score(0.9, 0.8, 0.97)}
    assert "false positive rate of 1%" in found(member(**scores))["member"].how_sure
    unresolved = made_membership(scores, resolvable=Resolvable(tpr_1=False, tpr_01=False))
    assert "false positive rate of 1%" not in found(made(membership=unresolved))["member"].how_sure


def test_membership_where_the_sets_differ_by_themselves_is_not_specific():
    def test(differs):
        return TwoSample(
            accuracy=0.9, low=0.8, high=0.95, p_value=0.001, differs=differs, chance=0.5,
            sizes=(20, 30), classifier="linear",
        )  # fmt: skip

    finding = found(member(test(True), loss=score(0.9, 0.8, 0.97)))["member"]
    assert finding.certainty == "not_specific"
    assert "accuracy 0.90 (p = 0.001)" in finding.how_sure
    finding = found(member(test(False), loss=score(0.9, 0.8, 0.97)))["member"]
    assert finding.certainty == "observed"


@pytest.mark.parametrize(
    ("spurious", "cycles", "headline"),
    [
        (1, 0, "1 attractor matches no training example that this audit was given."),
        (
            2,
            1,
            "2 attractors and 1 limit cycle match no training example that this audit was given.",
        ),
        (0, 2, "2 limit cycles match no training example that this audit was given."),
    ],
)
def test_attractors_that_are_no_examples(spurious, cycles, headline):
    assert found(made(spurious=spurious, cycles=cycles))["spurious"].headline == headline


def test_a_network_that_was_not_trained_to_fit():
    message = found(made(interpolated=False, training_loss=0.0021))
    assert list(message) == ["nothing", "not_trained"]
    assert "2.1e-03" in message["not_trained"].how_sure
    assert "not_trained" not in found(made(1, [0], interpolated=False, training_loss=0.0021))


def test_a_real_audit_agrees_with_its_summary(audited):
    message = found(audited)
    reached = message["extracted"].examples if "extracted" in message else ()
    assert len(reached) == audited.summary.reached.count
    assert len(reached) > 0
    stored = set(audited.examples.filter("stored")["index"])
    assert set(reached) <= stored
    assert set(message["recalled"].examples) <= stored


def test_the_gravest_come_first(corners):
    _, audit = corners
    kinds = [finding.kind for finding in findings(audit)]
    assert kinds == ["extracted", "recalled", "spurious", "not_trained"]


def test_many_indices_are_cut_short():
    text = listed(range(0, 60, 2))
    assert text == "0, 2, 4, 6, 8, 10, 12, 14 and 22 more"


@pytest.mark.parametrize(
    ("share", "message"),
    [(0, "0%"), (1, "100%"), (0.25, "25%"), (0.999, "99.9%"), (0.9999, ">99.9%"), (0.0123, "1.2%")],
)
def test_a_share_is_all_or_none_only_if_it_is(share, message):
    assert percent(share) == message
