"""Stands in for a program of its own name: a fork runs it, with everything that this process was given."""

import json
import os
import signal
import socket
import sys

_FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
name = os.path.basename(sys.argv[0])
asked = {"program": name, "arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(f"{sys.argv[0]}.socket")
    socket.send_fds(connection, [b" "], [0, 1, 2])
    connection.sendall(json.dumps(asked).encode() + b"\n")
    with connection.makefile("r") as answers:
        process = int(answers.readline())
        for number in _FORWARDED:
            signal.signal(number, lambda number, _: os.kill(process, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        status = int(answers.readline())
if status < 0:
    # The program was ended by a signal, and so is its stand-in.
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
