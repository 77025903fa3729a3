"""`audit --minutes`: what does not fit is left out, and named wherever the audit is read."""

import mnemoscope as mn


def test_what_was_left_out_is_printed_written_and_in_the_page(trained, run):
    done = run("audit", trained, "--minutes", "1e-9", "--starts", "90", "--trials", "2")
    assert (done.code, done.err) == (0, "")
    words = "Omitted to stay within 1e-09 minutes: 40 of 90 starts of each distribution, 1 of 2"
    assert words in done.out
    audit = mn.Audit.load(trained / "audit")
    assert words in audit.verdict
    assert audit.provenance["settings"]["starts"] == 50
    assert "Omitted to stay within 1e-09 minutes" in (trained / "report.html").read_text()


def test_in_enough_time_nothing_is(trained, run):
    done = run("audit", trained, "--minutes", "1e6", "--starts", "20", "--trials", "1", "--json")
    assert done.code == 0
    assert done.json["planned"]["left_out"] == []
    assert done.json["planned"]["done"]["starts"] == 20


def test_a_time_that_cannot_be_planned_for_is_refused(trained, refused):
    refused("audit", "runs/train", "--minutes", "0", says="minutes=0")
    refused("audit", "runs/train", "--minutes", "nan", says="minutes=nan")
    refused("audit", "runs/train", "--minutes", "5", "--screen", says="--minutes 5 with --screen")
