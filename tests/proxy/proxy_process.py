# SPDX-License-Identifier: MIT
"""`mitmlab proxy` as a process at a port of its own, with all that it tells:
in a file, because a pipe that nobody reads would stop it."""

import json
import os
import subprocess
import time


class ProxyProcess:
    """`words` follow `proxy --listen 127.0.0.1:0`; what it prints for people is
    in FOLDER/lines."""

    def __init__(self, program, folder, *words):
        self.told = folder + "/events"
        with open(self.told, "w", encoding="utf-8") as told, \
                open(folder + "/lines", "w", encoding="utf-8") as lines:
            self.process = subprocess.Popen(
                [program, "proxy", "--listen", "127.0.0.1:0", *words],
                stdout=lines, pass_fds=(told.fileno(),),
                env={**os.environ, "MITMLAB_EVENTS_FD": str(told.fileno())})
        while not self.events() and self.process.poll() is None:
            time.sleep(0.01)
        ready = self.events()[0]
        self.port = int(ready["data"]["listen"][0].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def events(self):
        """So far."""
        with open(self.told, encoding="utf-8") as told:
            return [json.loads(line) for line in told if line[-1] == "\n"]

    def stop(self):
        """All events, after an end without a fault."""
        self.process.terminate()
        assert self.process.wait() == 0, self.process.returncode
        return self.events()
