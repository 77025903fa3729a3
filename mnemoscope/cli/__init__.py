"""The command line: parse, call, print."""

from mnemoscope.cli.main import main

__all__ = ["main"]
