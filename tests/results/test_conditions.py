import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Rate
from mnemoscope.results.conditions import NAMES, Condition, parse_condition, parse_conditions
from mnemoscope.results.summary import Resolvable
from tests.summaries import made_membership, made_score, made_summary

UNKNOWN = dict.fromkeys(("tpr_01", "tpr_01_low", "tpr_01_high"))

SCORES = {
    "residual": made_score(0.7, 0.61, 0.79, **UNKNOWN),
    "distance_moved": made_score(0.75, 0.5, 0.9, **UNKNOWN),
    "loss": made_score(0.9, 0.6, 0.99, **UNKNOWN),
}

SUMMARY = made_summary(
    stored=(6, 24),
    certified=(0, 24),
    recalled=(57, 240),
    reached=(5, 24),
    unsettled=(0, 2400),
    spurious=2,
    attractors=8,
    loss=3e-9,
    training_loss=4e-9,
    membership=made_membership(SCORES),
)


@pytest.mark.parametrize(
    ("text", "holds", "message"),
    [
        ("stored>0", True, "stored > 0: 6 of 24"),
        ("stored>6", False, "stored > 6: 6 of 24"),
        ("stored >= 6", True, "stored >= 6: 6 of 24"),
        ("stored==6", True, "stored == 6: 6 of 24"),
        ("stored!=6", False, "stored != 6: 6 of 24"),
        ("stored<6", False, "stored < 6: 6 of 24"),
        ("stored<=6", True, "stored <= 6: 6 of 24"),
        ("stored>=25%", True, "stored >= 25%: 25.0% (6 of 24)"),
        ("stored > 25 %", False, "stored > 25%: 25.0% (6 of 24)"),
        ("stored_low>10%", True, "stored_low > 10%: 12.0% (6 of 24)"),
        ("stored_high>0.45", False, "stored_high > 0.45: 44.9% (6 of 24)"),
        ("Certified>0", False, "certified > 0: 0 of 24"),
        ("reached>4", True, "reached > 4: 5 of 24"),
        ("spurious>=2", True, "spurious >= 2: 2"),
        ("examples<100", True, "examples < 100: 24"),
        ("loss>1e-8", False, "loss > 1e-08: 3e-09"),
        ("training_loss>.000000001", True, "training_loss > 1e-09: 4e-09"),
        ("auc>0.6", True, "auc > 0.6: 0.900 (loss)"),
        ("auc>60%", True, "auc > 60%: 0.900 (loss)"),
        # Of the lower ends the largest counts, whichever score has the largest area.
        ("auc_low>0.6", True, "auc_low > 0.6: 0.610 (residual)"),
        ("auc_distance_moved>0.8", False, "auc_distance_moved > 0.8: 0.750 (distance moved)"),
        ("auc_residual_high<0.8", True, "auc_residual_high < 0.8: 0.790 (residual)"),
        ("tpr_1>5%", True, "tpr_1 > 5%: 0.090 (loss)"),
    ],
)
def test_what_holds_and_how_it_is_reported(text, holds, message):
    condition = parse_condition(text)
    assert condition.holds(SUMMARY) is holds
    assert condition.explain(SUMMARY) == message


@pytest.mark.parametrize("name", ["stored", "spurious", "cycles", "unsettled"])
def test_a_name_alone_means_any(name):
    assert parse_condition(name) == Condition(name, ">", 0.0)


def test_several_at_once():
    conditions = parse_conditions(["stored>0, spurious", "auc>0.6"])
    assert [c.name for c in conditions] == ["stored", "spurious", "auc"]
    assert [c.needs_held_out for c in conditions] == [False, False, True]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_read_back(name):
    condition = parse_condition(name)
    assert parse_condition(str(condition)) == condition
    assert condition.needs_held_out is name.startswith(("auc", "tpr"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "NAME OP NUMBER"),
        ("stored>", "NAME OP NUMBER"),
        ("stored=0", "NAME OP NUMBER"),
        ("stored>nan", "NAME OP NUMBER"),
        ("stored>0 and spurious>0", "NAME OP NUMBER"),
        ("__import__('os')", "NAME OP NUMBER"),
        ("stord>0", "did you mean stored?"),
        ("recal>0", "did you mean recalled?"),
        ("zzz>0", "one of examples, stored, disclosed"),
        # Half of them was meant; one of them would have been checked.
        ("stored>0.5", 'write "stored>50%"'),
        ("spurious>5%", "leave out the percent sign"),
        ("loss>5%", "leave out the percent sign"),
        ("spurious>1.5", "a whole number"),
        ("auc>60", "a share between 0 and 1"),
        ("stored>200%", "a share between 0 and 1"),
        ("reached_low>0", "is not measured"),
        ("loss<1e999", "a finite number"),
    ],
)
def test_what_is_no_condition(text, says):
    with pytest.raises(MnemoscopeError) as error:
        parse_condition(text)
    assert says in str(error.value)


@pytest.mark.parametrize("text", ["auc>0.6", "tpr_1>0.1", "auc_loss_low<0.9"])
def test_membership_without_held_out_data_is_no_pass(text):
    summary = SUMMARY.model_copy(update={"membership": None})
    condition = parse_condition(text)
    for ask in (condition.holds, condition.explain):
        with pytest.raises(MnemoscopeError, match="--held-out") as error:
            ask(summary)
        assert error.value.field == condition.name


@pytest.mark.parametrize(
    ("text", "change", "says"),
    [
        ("tpr_01>0", {}, "more held-out examples"),
        (
            "tpr_1>0",
            {
                "membership": made_membership(
                    SCORES, resolvable=Resolvable(tpr_1=False, tpr_01=False)
                )
            },
            "more held-out examples",
        ),
        ("auc_operator_norm>0.6", {}, "too few"),
        ("recalled>0", {"recalled": None}, "gaussian at strength 0.1"),
        ("certified>0", {"certified": None}, "black box"),
        ("certified", {"certified": Rate.of(0, 0)}, "certifies"),
        ("loss<1", {"loss": float("nan")}, "audit again"),
        ("loss!=1", {"loss": float("nan")}, "audit again"),
    ],
)
def test_what_was_not_measured_is_no_pass(text, change, says):
    condition = parse_condition(text)
    with pytest.raises(MnemoscopeError, match="did not measure") as error:
        condition.holds(SUMMARY.model_copy(update=change))
    assert error.value.field == condition.name
    assert says in error.value.todo


def test_every_score_has_its_names():
    assert {"auc_residual", "tpr_1_loss_low", "tpr_01_distance_moved_high"} <= set(NAMES)
