#!/usr/bin/env python3
"""A person at a terminal: waits for words, types a line, and so on.

    person.py COMMAND ... -- WORDS LINE WORDS LINE ...

LINE "END" is control-D; "!SCRIPT" is run by a shell instead of typing, with
the command's process number in $PID. The exit code is that of the command.
"""
import os
import pty
import select
import subprocess
import sys
import time

split = sys.argv.index("--")
command, script = sys.argv[1:split], sys.argv[split + 1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["COLUMNS"] = "80"
    os.environ["TERM"] = "dumb"
    os.execvp(command[0], command)

seen, limit = "", time.monotonic() + 60


def read_more():
    """False at the end of what the command has to say."""
    global seen
    if time.monotonic() > limit:
        sys.exit("person.py: the command says no more; so far:\n" + seen)
    if not select.select([terminal], [], [], 1)[0]:
        return True
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        return False
    seen += piece.decode(errors="replace")
    if seen.rstrip().endswith("Press return to go on."):
        seen += "\n"
        os.write(terminal, b"\n")
    return bool(piece)


for words, line in zip(script[::2], script[1::2]):
    while True:
        flat = " ".join(seen.split())
        if words in flat and seen.rstrip(" ").endswith(">"):
            break
        if not read_more():
            sys.exit(f"person.py: never read {words!r}:\n{seen}")
    if line.startswith("!"):
        subprocess.run(["sh", "-c", line[1:]], check=True,
                       env=dict(os.environ, PID=str(pid)))
        continue
    seen = ""
    os.write(terminal, b"\x04" if line == "END" else line.encode() + b"\n")
while read_more():
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
