#!/usr/bin/env python3
"""A terminal window that is pulled at, and what is seen in it.

    window.py COLUMNS COMMAND ... -- STEP ...

A STEP waits for its words; "!SCRIPT" is run by a shell; "=COLUMNS" changes the
width, and leaves a line "=COLUMNS" in what is printed at the end; "^C" is
typed. The exit code is that of the command, 128 and more for a signal.
"""
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

split = sys.argv.index("--")
columns, command = sys.argv[1], sys.argv[2:split]
limit = time.monotonic() + 60
pid, terminal = pty.fork()
if pid == 0:
    os.environ.pop("COLUMNS", None)
    time.sleep(0.2)  # until the window has its width
    os.execvp(command[0], command)


def pull(width):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, int(width), 0, 0))


pull(columns)
seen, unread = "", ""


def read_more(seconds):
    """False at the end of what the command has to say."""
    global seen, unread
    if time.monotonic() > limit:
        sys.exit("window.py: the command says no more; so far:\n" + seen)
    if not select.select([terminal], [], [], seconds)[0]:
        return True
    try:
        piece = os.read(terminal, 65536).decode(errors="replace")
    except OSError:
        return False
    piece = piece.replace("\r", "")
    seen += piece
    unread += piece
    return bool(piece)


for step in sys.argv[split + 1:]:
    if step.startswith("!"):
        subprocess.run(["bash", "-c", step[1:]], check=True,
                       stdin=subprocess.DEVNULL,
                       env=dict(os.environ, SEEN=unread))
    elif step.startswith("="):
        pull(step[1:])
        seen += step + "\n"
    elif step == "^C":
        os.write(terminal, b"\x03")
    else:
        while step not in unread:
            if not read_more(1):
                sys.exit(f"window.py: never read {step!r}:\n{seen}")
        unread = unread[unread.index(step) + len(step):]
while read_more(1):
    pass
status = os.waitpid(pid, 0)[1]
print(seen)
sys.exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status)
         else os.WEXITSTATUS(status))
