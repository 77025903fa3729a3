from mnemoscope.monitoring.pace import FEWEST, PLANNED, Pace

FIXED, EACH = 0.05, 0.01
"""Seconds that a look of the simulated training takes, and each of its states."""


def trained_with(pace, *, interval, dues, cost=lambda states, due: FIXED + EACH * states):
    """Simulates a training with a due look every `interval` seconds; the states of each look."""
    looks, overdrawn = [], 0.0
    for due in range(1, dues + 1):
        trained = interval * due
        if pace.affords(trained):
            looks.append((due, pace.states))
            pace.paid(cost(pace.states, due), trained, due)
        if due > 1:
            overdrawn = max(overdrawn, pace.spent / trained)
    return looks, overdrawn


def test_where_there_is_time_every_look_is_made_and_soon_at_all_states():
    looks, share = trained_with(Pace(0.05, 32), interval=100.0, dues=5)
    assert looks == [(1, FEWEST), (2, 32), (3, 32), (4, 32), (5, 32)]
    assert share < 0.05


def test_where_there_is_little_time_looks_are_at_fewer_states():
    # 8 states: 0.13 s of the 5 s * 0.05 * 0.5 = 0.125 s that each interval allows.
    looks, share = trained_with(Pace(0.05, 32), interval=5.0, dues=50)
    assert all(FEWEST <= states < 32 for _, states in looks)
    assert len(looks) > 25
    assert share <= 0.05


def test_where_even_few_states_are_too_dear_looks_are_left_out():
    looks, share = trained_with(Pace(0.05, 32), interval=0.5, dues=400)
    assert {states for _, states in looks[1:]} == {FEWEST}
    # Each takes 0.13 s, for which 0.5 s * 0.05 * 0.5 are put by with every look that is due.
    assert len(looks) == 400 * 0.5 * 0.05 * PLANNED // (FIXED + EACH * FEWEST)
    assert share <= 0.13 / 0.5


def test_what_a_look_takes_too_much_is_paid_back_before_the_next():
    def cost(_, due):
        return 20.0 if due == 3 else 0.1

    looks, _ = trained_with(Pace(0.05, 8), interval=10.0, dues=180, cost=cost)
    # The next is expected to take 20 s again: 40.2 s are 0.05 * 0.5 of 1,608 s.
    assert [due for due, _ in looks[:5]] == [1, 2, 3, 161, 162]


def test_no_more_states_than_there_are():
    looks, _ = trained_with(Pace(0.05, 3), interval=100.0, dues=3)
    assert looks == [(1, 3), (2, 3), (3, 3)]
