#!/usr/bin/env python3
"""Somebody at the terminal of `mitmlab proxy --hold`, with a sed as editor.

    hold_person.py MITMLAB ORIGIN-PORT

Prints all that the terminal showed, and what the server got in the end.
"""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

mitmlab, origin = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["EDITOR"] = "sed -i s/alice/mallory/"
    os.execv(mitmlab, [mitmlab, "proxy", "--listen", "127.0.0.1:0", "--trace",
                       "--upstream", "http://127.0.0.1:" + origin,
                       "--hold", "method == POST && request"])

seen = ""


def wait_for(words):
    global seen
    limit = time.monotonic() + 20
    while not re.search(words, seen):
        if time.monotonic() > limit:
            sys.exit(f"hold_person.py: never read {words!r}:\n{seen}")
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")


def type_line(line):
    os.write(terminal, line.encode() + b"\n")


def port_of(pid):
    """The port that the process listens on, from what the kernel says."""
    inodes = {os.readlink(f"/proc/{pid}/fd/{fd}")
              for fd in os.listdir(f"/proc/{pid}/fd")
              if os.path.islink(f"/proc/{pid}/fd/{fd}")}
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
            return int(words[1].split(":")[1], 16)
    return None


wait_for("'help' says what to type")
port = None
while not port:
    time.sleep(0.05)
    port = port_of(pid)
victim = subprocess.Popen(["curl", "-sS", "-m", "20", "-d", "to=alice",
                           f"http://127.0.0.1:{port}/pay"],
                          stdout=subprocess.PIPE)
wait_for("held 1  POST")
type_line("shwo 1")
wait_for("did you mean show")
type_line("show 1")
wait_for("to=alice")
type_line("edit 1")
wait_for("edited 1")
type_line("go 1")
got = victim.communicate()[0].decode().splitlines()[-1]
wait_for("sent 1")
os.kill(pid, signal.SIGTERM)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(seen)
print("the server got:", got)
sys.exit(code)
