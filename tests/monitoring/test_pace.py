from mnemoscope.monitoring.pace import MIN_STATES, PLANNED, Pace

FIXED, EACH = 0.05, 0.01
"""Seconds that a snapshot of the simulated training takes, and each of its states."""


def trained_with(pace, *, interval, dues, cost=lambda states, due: FIXED + EACH * states):
    """Simulates a training with a snapshot due every `interval` seconds; the states of each."""
    taken, overdrawn = [], 0.0
    for due in range(1, dues + 1):
        trained = interval * due
        if pace.affords(trained):
            taken.append((due, pace.states))
            pace.paid(cost(pace.states, due), trained, due)
        if due > 1:
            overdrawn = max(overdrawn, pace.spent / trained)
    return taken, overdrawn


def test_where_there_is_time_every_look_is_made_and_soon_at_all_states():
    taken, share = trained_with(Pace(0.05, 32), interval=100.0, dues=5)
    assert taken == [(1, MIN_STATES), (2, 32), (3, 32), (4, 32), (5, 32)]
    assert share < 0.05


def test_where_there_is_little_time_taken_are_at_fewer_states():
    # 8 states: 0.13 s of the 5 s * 0.05 * 0.5 = 0.125 s that each interval allows.
    taken, share = trained_with(Pace(0.05, 32), interval=5.0, dues=50)
    assert all(MIN_STATES <= states < 32 for _, states in taken)
    assert len(taken) > 25
    assert share <= 0.05


def test_where_even_few_states_are_too_dear_taken_are_left_out():
    taken, share = trained_with(Pace(0.05, 32), interval=0.5, dues=400)
    assert {states for _, states in taken[1:]} == {MIN_STATES}
    # Each takes 0.13 s, for which 0.5 s * 0.05 * 0.5 are put by with every snapshot that is due.
    assert len(taken) == 400 * 0.5 * 0.05 * PLANNED // (FIXED + EACH * MIN_STATES)
    assert share <= 0.13 / 0.5


def test_what_a_look_takes_too_much_is_paid_back_before_the_next():
    def cost(_, due):
        return 20.0 if due == 3 else 0.1

    taken, _ = trained_with(Pace(0.05, 8), interval=10.0, dues=180, cost=cost)
    # The next is expected to take 20 s again: 40.2 s are 0.05 * 0.5 of 1,608 s.
    assert [due for due, _ in taken[:5]] == [1, 2, 3, 161, 162]


def test_no_more_states_than_there_are():
    taken, _ = trained_with(Pace(0.05, 3), interval=100.0, dues=3)
    assert taken == [(1, 3), (2, 3), (3, 3)]
