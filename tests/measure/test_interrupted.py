"""Ctrl-C in an audit: the finished parts make a partial one, and the same audit goes on."""

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.measure import auditing
from mnemoscope.measure import screening as screen_map
from mnemoscope.measure.parts import Interrupted, OtherCheckpointError, Parts
from mnemoscope.results.tables import SCHEMAS

X = torch.rand(12, 5, generator=torch.Generator().manual_seed(0))

SOME = {"starts": 20, "trials": 1, "certificates": 4}

PARTS = (
    "the examples", "orbits from noise", "orbits from corrupted examples",
    "orbits from held-out data", "basins on a plane", "pictures of orbits", "certificates",
    "membership", "controls",
)  # fmt: skip


class Attention:
    """Twelve examples as attractors, by attention to them: `sum_i p_i(z) x_i`.

    Counts the states it was evaluated at, and presses Ctrl-C when it is armed.
    """

    def __init__(self):
        self.states = 0
        self.armed = False

    def __call__(self, z):
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt
        self.states += len(z)
        near = -200 * torch.cdist(z, X.to(z)).square()
        return torch.softmax(near, dim=1) @ X.to(z)

    def stop_at(self, part):
        """A receiver of progress that presses Ctrl-C as a part begins."""

        def message(begun):
            self.armed = self.armed or begun == part

        return message


def network():
    return mn.SelfMap(Attention(), shape=(5,))


def stopping(at):
    stop = Attention()
    return mn.SelfMap(stop, shape=(5,)), stop.stop_at(at)


def same(one, other):
    for name in SCHEMAS:
        assert getattr(one, name).equals(getattr(other, name), null_equal=True), name
    assert one.verdict == other.verdict
    assert one.pictures.keys() == other.pictures.keys()
    assert all(torch.equal(value, other.pictures[name]) for name, value in one.pictures.items())
    mine, theirs = ({k: v for k, v in a.summary if k != "seconds"} for a in (one, other))
    assert mine == theirs


HELD_OUT = torch.rand(12, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def whole():
    return mn.audit(network(), X, mn.AuditOptions.of(**SOME), held_out=HELD_OUT)


@pytest.mark.parametrize("part", PARTS[1:])
def test_the_same_audit_goes_on_to_the_same_result(part, tmp_path, whole):
    checkpoint = tmp_path / "audit.safetensors"
    f, message = stopping(part)
    with pytest.raises(Interrupted) as caught:
        mn.audit(
            f,
            X,
            mn.AuditOptions.of(**SOME),
            held_out=HELD_OUT,
            run=mn.AuditRun(checkpoint=checkpoint, on_progress=message),
        )
    partial = caught.value.result
    missing = partial.summary.partial
    assert missing[-1] == "controls"
    assert partial.verdict.startswith(f"Partial audit, interrupted before: {', '.join(missing)}. ")
    # What was measured before is in it.
    for column in ("residual", "spectral_radius", "stored", "upper"):
        assert partial.examples[column].equals(whole.examples[column]), column
    assert partial.summary.stored == whole.summary.stored
    assert partial.save(tmp_path / "audit").exists()
    assert mn.results.Audit.load(tmp_path / "audit").summary.partial == missing
    assert mn.write_report(partial, tmp_path / "report.html").stat().st_size > 1000

    result = mn.audit(
        network(),
        X,
        mn.AuditOptions.of(**SOME),
        held_out=HELD_OUT,
        run=mn.AuditRun(checkpoint=checkpoint),
    )
    same(result, whole)
    assert result.summary.partial == ()


def test_finished_parts_are_not_measured_again(tmp_path):
    checkpoint = tmp_path / "audit.safetensors"
    f, message = stopping("controls")
    with pytest.raises(Interrupted):
        mn.audit(
            f,
            X,
            mn.AuditOptions.of(**SOME),
            run=mn.AuditRun(checkpoint=checkpoint, on_progress=message),
        )
    evaluated = {}
    for name, kept in (("again", checkpoint), ("anew", None)):
        counted = Attention()
        f = mn.SelfMap(counted, shape=(5,))
        mn.audit(f, X, mn.AuditOptions.of(**SOME), run=mn.AuditRun(checkpoint=kept))
        evaluated[name] = counted.states
    assert evaluated["again"] < evaluated["anew"] / 2, evaluated


def test_before_anything_is_finished_there_is_no_result(tmp_path):
    f, message = stopping("the examples")
    with pytest.raises(KeyboardInterrupt) as caught:
        mn.audit(
            f,
            X,
            mn.AuditOptions.of(**SOME),
            run=mn.AuditRun(checkpoint=tmp_path / "a.safetensors", on_progress=message),
        )
    assert not isinstance(caught.value, Interrupted)
    assert not list(tmp_path.iterdir())


def test_between_two_parts_what_is_finished_is_kept(tmp_path, monkeypatch):
    checkpoint = tmp_path / "audit.safetensors"

    def interrupted(*arguments):
        raise KeyboardInterrupt

    # It is called between the pictures of corrupted examples and those of noise.
    monkeypatch.setattr("mnemoscope.measure.result.representatives", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mn.audit(network(), X, mn.AuditOptions.of(**SOME), run=mn.AuditRun(checkpoint=checkpoint))
    monkeypatch.undo()
    begun: list[str] = []
    mn.audit(
        network(),
        X,
        mn.AuditOptions.of(**SOME),
        run=mn.AuditRun(checkpoint=checkpoint, on_progress=begun.append),
    )
    assert begun[0] == "pictures of orbits"


def test_without_a_checkpoint_the_partial_result_is_there_too():
    f, message = stopping("orbits from noise")
    with pytest.raises(Interrupted) as caught:
        mn.audit(f, X, mn.AuditOptions.of(**SOME), run=mn.AuditRun(on_progress=message))
    assert caught.value.result.summary.unsettled.total == 0


def test_of_many_examples_those_measured_are_reported(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(auditing, "BLOCK", 5)
    blocks = []

    f, message = stopping("third")

    def at_third(part):
        blocks.append(part)
        if blocks.count("the examples") == 3:
            message("third")

    checkpoint = tmp_path / "audit.safetensors"
    with pytest.raises(Interrupted) as caught:
        mn.audit(
            f,
            X,
            mn.AuditOptions.of(**SOME),
            held_out=HELD_OUT,
            run=mn.AuditRun(checkpoint=checkpoint, on_progress=at_third),
        )
    partial = caught.value.result
    assert len(partial.examples) == 10
    assert partial.summary.among == 12
    assert partial.summary.partial[0] == "some of the examples"
    assert "These are 10 of 12 training examples" in partial.verdict
    # In blocks or at once: the same.
    result = mn.audit(
        network(),
        X,
        mn.AuditOptions.of(**SOME),
        held_out=HELD_OUT,
        run=mn.AuditRun(checkpoint=checkpoint),
    )
    for column in ("stored", "attractor", "disclosed", "contractive"):
        assert result.examples[column].equals(whole.examples[column]), column
    assert result.spectra["example"].to_list() == whole.spectra["example"].to_list()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"starts": 21}, "starts 20, not 21"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"X": X + 1e-3}, "data "),
        ({"f": lambda z: Attention()(z) + 1e-3}, "a map with other values"),
    ],
)
def test_a_checkpoint_of_another_audit_is_refused(changed, message, tmp_path):
    checkpoint = tmp_path / "audit.safetensors"
    f, stop = stopping("controls")
    with pytest.raises(Interrupted):
        mn.audit(
            f,
            X,
            mn.AuditOptions.of(**SOME),
            run=mn.AuditRun(checkpoint=checkpoint, on_progress=stop),
        )
    given = {"f": network(), "X": X, "options": mn.AuditOptions.of(**SOME), **changed}
    with pytest.raises(OtherCheckpointError, match=message):
        mn.audit(**given, run=mn.AuditRun(checkpoint=checkpoint))
    assert checkpoint.exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    checkpoint = tmp_path / "audit.safetensors"
    checkpoint.write_bytes(content)
    with pytest.raises(mn.MnemoscopeError, match="cannot be read as a checkpoint"):
        mn.audit(network(), X, mn.AuditOptions.of(**SOME), run=mn.AuditRun(checkpoint=checkpoint))
    assert checkpoint.read_bytes() == content


def test_a_checkpoint_of_a_training_is_no_checkpoint_of_an_audit(tmp_path):
    from mnemoscope.training.checkpoint import write_checkpoint

    write_checkpoint(tmp_path / "c.safetensors", {"identity": {}})
    with pytest.raises(mn.MnemoscopeError, match="its format is 'mnemoscope-checkpoint"):
        mn.audit(
            network(),
            X,
            mn.AuditOptions.of(**SOME),
            run=mn.AuditRun(checkpoint=tmp_path / "c.safetensors"),
        )


def test_a_part_is_written_when_a_checkpoint_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr("mnemoscope.measure.parts.EVERY", -1.0)
    path = tmp_path / "p.safetensors"
    parts = Parts(path, {}, torch.zeros(1, 2))
    assert parts.part("a", lambda: (1, "b", None), None) == (1, "b", None)
    again = Parts(path, {}, torch.zeros(1, 2))
    assert again.part("a", lambda: 1 / 0, None) == (1, "b", None)


def test_results_come_back_as_they_were(tmp_path):
    value = {
        "table": pl.DataFrame({"a": [1, 2], "b": [None, "x"]}),
        "numbers": (1.5, float("inf"), True),
        0.01: [torch.tensor([1 + 2j]), torch.arange(3)],
        3: {"deep": ()},
    }
    path = tmp_path / "p.safetensors"
    parts = Parts(path, {}, torch.zeros(1, 2))
    parts.part("a", lambda: value, None)
    parts.save()
    back = Parts(path, {}, torch.zeros(1, 2)).part("a", dict, None)
    assert back["table"].equals(value["table"])
    assert back["numbers"] == value["numbers"]
    assert back[3] == {"deep": ()}
    assert all(torch.equal(a, b) for a, b in zip(back[0.01], value[0.01], strict=True))


def test_an_audit_planned_for_a_time_goes_on_with_its_plan(tmp_path):
    checkpoint = tmp_path / "audit.safetensors"
    effort = mn.measure.Effort(minutes=5, starts=20, trials=1)
    f, message = stopping("controls")
    pilots = []

    def last(part):
        pilots.append(part)
        # The audit itself, not the pilots, which do not announce their parts.
        message(part)

    with pytest.raises(Interrupted) as caught:
        mn.measure.audit_within(
            f, X, effort, run=mn.AuditRun(checkpoint=checkpoint, on_progress=last)
        )
    planned = caught.value.result.summary.planned
    assert planned.left_out == ()
    assert "controls" in caught.value.result.summary.partial
    again: list[str] = []
    result = mn.measure.audit_within(
        network(), X, effort, run=mn.AuditRun(checkpoint=checkpoint, on_progress=again.append)
    )
    assert "a timed pilot" in pilots
    assert "a timed pilot" not in again
    assert result.summary.planned.predicted_seconds == planned.predicted_seconds
    assert result.summary.planned.seconds > planned.seconds
    assert result.summary.partial == ()


@pytest.mark.parametrize("audit", ["a random sample", "the most suspicious"])
@pytest.mark.parametrize("part", ["the examples", "controls"])
def test_a_screening_goes_on(audit, part, tmp_path):
    some = mn.ScreenOptions(sample=6, suspicious=4, audit=mn.AuditOptions.of(**SOME))
    whole = mn.screen(network(), X, some)
    f, message = stopping("now")
    here = []

    def at(stage):
        if stage.startswith("audit: "):
            here.append(stage)
        if here and audit in here[-1] and stage == part:
            message("now")

    with pytest.raises(Interrupted) as caught:
        mn.screen(f, X, some, run=mn.AuditRun(checkpoint=tmp_path / "c", on_progress=at))
    partial = caught.value.result
    missing = partial.summary.partial
    assert partial.lines()[0].startswith("partial, interrupted before: ")
    assert partial.table["drift"].equals(whole.table["drift"])
    first = audit == "a random sample"
    assert (partial.sample is None) == (first and part == "the examples")
    assert (partial.suspicious is None) == (first or part == "the examples")
    assert len(missing) == (2 if first else 1)
    back = mn.Screen.load(partial.save(tmp_path / "screen"))
    assert back.lines() == partial.lines()
    result = mn.screen(network(), X, some, run=mn.AuditRun(checkpoint=tmp_path / "c"))
    assert result.summary.partial == ()
    assert result.table.equals(whole.table)
    assert result.rates == whole.rates
    assert result.lines() == whole.lines()


def test_a_pass_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(screen_map, "BLOCK", 4)
    drift, seen = screen_map._drift, []

    def third(f, part, size):
        seen.append(len(part))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return drift(f, part, size)

    monkeypatch.setattr(screen_map, "_drift", third)
    some = mn.ScreenOptions(sample=3, suspicious=3, audit=mn.AuditOptions.of(**SOME))
    run = mn.AuditRun(checkpoint=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        mn.screen(network(), X, some, run=run)
    seen.append(0)
    result = mn.screen(network(), X, some, run=run)
    assert seen == [4, 4, 4, 0, 4]
    assert result.summary.partial == ()
