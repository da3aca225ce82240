#!/usr/bin/env python3
"""Kill the runner at arbitrary instants. Afterwards the capture must be whole
and nothing of the run may be left: no process, no mount, no folder outside.

    killed.py MITMLAB LAB TIMES
"""
import ctypes
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MITMLAB, LAB, TIMES = sys.argv[1], sys.argv[2], int(sys.argv[3])
DEADLINE = 20  # seconds that a loaded machine may take to tidy up
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever the runner leaves behind becomes a child of this process."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_left():
    """Reap what has ended; name what has not, after the deadline."""
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)
        except ChildProcessError:
            return []
    me = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return [(pid, Path(f"/proc/{pid}/cmdline").read_text())
            for pid in me.read_text().split()]


def one(number, folder, longest):
    out = os.path.join(folder, str(number))
    before = Path("/proc/self/mounts").read_text()
    child = subprocess.Popen(
        [MITMLAB, "run", LAB, "--no-input", "--out", out],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "TMPDIR": os.path.join(folder, "tmp")})
    delay = random.uniform(0, longest)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = children_left()
    problems = [f"still running: {left}"] if left else []
    if Path("/proc/self/mounts").read_text() != before:
        problems.append("a mount is left")
    for capture in Path(folder).rglob("capture.pcapng*"):
        info = subprocess.run(["capinfos", str(capture)], capture_output=True)
        if info.returncode != 0 and capture.stat().st_size > 0:
            problems.append(f"capinfos refuses {capture}: {info.stderr}")
    if problems:
        print(f"killed after {delay:.3f} s: {'; '.join(problems)}")
    return not problems


def main():
    if subprocess.run([MITMLAB, "doctor"], capture_output=True).returncode:
        print("skipped: this machine gives no namespaces")
        sys.exit(1 if os.environ.get("CI") else 77)
    adopt_orphans()
    seed = int.from_bytes(os.urandom(4), "big")
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="mitmlab-kill-") as folder:
        start = time.monotonic()
        subprocess.run([MITMLAB, "run", LAB, "--no-input", "--out",
                        os.path.join(folder, "whole")], capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=120)
        longest = time.monotonic() - start
        os.mkdir(os.path.join(folder, "tmp"))
        good = sum(one(number, folder, longest) for number in range(TIMES))
        left = os.listdir(os.path.join(folder, "tmp"))
    print(f"{good} of {TIMES} clean (random seed {seed}, "
          f"a whole run takes {longest:.2f} s)")
    if left:
        print(f"left in the temporary folder: {left}")
    sys.exit(0 if good == TIMES and not left else 1)


main()
