import signal
import threading

import pytest

from mnemoscope.base.interruption import deferred_interrupt, interrupt, raising_once


def test_ctrl_c_is_noted_and_raised_at_the_end():
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interruption:  # noqa: PT012
        assert not interruption.asked
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        reached = True
    assert reached


def test_two_signals_at_once_are_one_wish():
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interruption:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        reached = True
    assert reached


def test_ctrl_c_is_raised_once_while_the_first_is_dealt_with():
    dealt_with = False
    with raising_once():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            dealt_with = True
    assert dealt_with


def test_a_second_ctrl_c_later_is_raised_at_once(monkeypatch):
    monkeypatch.setattr("mnemoscope.base.interruption.ONE", -1.0)
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on after the second")


@pytest.mark.parametrize("error", [None, KeyError])
def test_the_handler_is_put_back(error):
    before = signal.getsignal(signal.SIGINT)
    try:
        with deferred_interrupt():
            assert signal.getsignal(signal.SIGINT) is not before
            if error:
                raise error
    except KeyError:
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_where_ctrl_c_is_ignored_it_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert not interruption.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_changed():
    seen = []

    def work():
        with deferred_interrupt() as interruption:
            seen.append((signal.getsignal(signal.SIGINT), interruption.asked))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(signal.getsignal(signal.SIGINT), False)]


@pytest.fixture
def ignored():
    """SIGINT as in a process that a script started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_where_ctrl_c_is_ignored_an_interrupt_is_noted():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interruption:  # noqa: PT012
        interrupt()
        assert interruption.asked
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.usefixtures("ignored")
def test_a_second_interrupt_later_is_raised_at_once(monkeypatch):
    monkeypatch.setattr("mnemoscope.base.interruption.ONE", -1.0)
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():  # noqa: PT012
        interrupt()
        interrupt()
        pytest.fail("went on after the second")


def test_an_interrupt_outside_of_a_section_is_raised():
    with deferred_interrupt():
        pass
    with raising_once(), pytest.raises(KeyboardInterrupt):
        interrupt()
