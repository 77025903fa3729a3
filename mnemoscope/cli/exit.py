"""Exit statuses, and the message of a command that was interrupted."""

FOUND = 1
"""Exit status where a finding is one that the caller asked to fail on."""

WRONG_INPUT = 2
"""Exit status of invalid input: one line on standard error states it and how to fix it."""

INTERRUPTED = (
    "interrupted; expected the command to end; "
    "nothing that was there has changed: run the command again"
)
