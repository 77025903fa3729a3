"""Python processes that begin in milliseconds: forked from one that has the libraries.

A process that imports PyTorch takes seconds before it does what is tested. Here a server imports
everything once, and forks for each process that is asked for. What a test holds is a small process
in between (`subprocess.Popen` of this file): it hands its streams, folder, environment and signals
on to the fork, and ends as the fork does. If it is killed, the fork is killed.

Not for tests of the time before the libraries are imported, nor of their import.
"""

import array
import contextlib
import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def between(address: str, arguments: list[str]) -> None:
    """Asks the server for a process, and lives as long as it does."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
    asked = {
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "ignored": ignored,
    }
    text = json.dumps(asked).encode()
    link.sendmsg(
        [len(text).to_bytes(8, "big")],
        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))],
    )
    link.sendall(text)
    answers = link.makefile()
    process = int(answers.readline())
    for number in FORWARDED:
        if not (number == signal.SIGINT and ignored):
            signal.signal(number, lambda number, _frame: os.kill(process, number))
    # The streams are the fork's now: a reader sees their end when it ends.
    for stream in (0, 1, 2):
        os.close(stream)
    status = int(answers.readline())
    if status < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler.
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def serve(address: str) -> None:
    """Forks for each connection, until standard input ends."""
    import select

    from attack.forks import warm

    warm()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    links: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([sys.stdin, listener, *links.values()], [], [], 0.02)
        if sys.stdin in ready:
            os._exit(0)
        if listener in ready:
            link, _ = listener.accept()
            process = _fork(link)
            links[process] = link
            link.sendall(f"{process}\n".encode())
        for process, link in list(links.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                with contextlib.suppress(OSError):
                    link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                links.pop(process).close()
            elif link in ready:
                # The one that asked is gone: nothing else is ever sent.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                links.pop(process).close()


def _fork(link: socket.socket) -> int:
    length, streams, _, _ = socket.recv_fds(link, 8, 3)
    text = b""
    while len(text) < int.from_bytes(length, "big"):
        text += link.recv(65536)
    asked = json.loads(text)
    process = os.fork()
    if process:
        for stream in streams:
            os.close(stream)
        return process
    try:
        link.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        handler = signal.SIG_IGN if asked["ignored"] else signal.default_int_handler
        signal.signal(signal.SIGINT, handler)
        _as_a_program(asked["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _as_a_program(arguments: list[str]) -> None:
    """Runs `-m mnemoscope ...` or `-c CODE ...` as Python would."""
    kind, code, *rest = arguments
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(number, "w", closefd=False))
    sys.argv = ["mnemoscope" if kind == "-m" else "-c", *rest]
    if kind == "-m":
        from mnemoscope.cli import main

        main()
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        between(sys.argv[1], sys.argv[2:])
