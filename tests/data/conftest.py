import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data import load_data


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Callable, tuple[str, str]]:
        return open, (str(self.sprung), "w")


@pytest.fixture
def trap(tmp_path: Path):
    """An object that no file may be unpickled to; checked, once the test is over."""
    armed, sprung = Trap(tmp_path / "armed"), Trap(tmp_path / "sprung")
    pickle.loads(pickle.dumps(armed)).close()
    assert armed.sprung.exists()
    yield sprung
    assert not sprung.sprung.exists()


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What `load_data` says as it refuses: always one line."""

    def text(source: Any, **options: Any) -> str:
        with pytest.raises(MnemoscopeError) as error:
            load_data(source, **options)
        message = str(error.value)
        assert "\n" not in message
        assert all((error.value.given, error.value.expected, error.value.todo))
        return message

    return text


@pytest.fixture
def unreadable():
    """Takes the permissions of a path away until the test is over."""
    taken: list[tuple[Path, int]] = []

    def take(path: Path) -> Path:
        if not hasattr(os, "geteuid") or os.geteuid() == 0:
            pytest.skip("root may read everything")
        taken.append((path, path.stat().st_mode))
        path.chmod(0)
        return path

    yield take
    for path, mode in taken:
        path.chmod(mode)
