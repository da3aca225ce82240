# SPDX-License-Identifier: MIT
# Reads lines "URL TRUST" and has a headless Chromium fetch each page, ordered
# through its DevTools pipe: as its own tools load a resource, because a tab
# waits 3 s before it shows its warning. Every TRUST gets a browser of its own,
# whose only added roots are those, in the NSS database of an empty HOME.
# With "--version": which Chromium is here, or what is missing.
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The sandbox wants privileges that no place gives; the place is the sandbox.
# QUIC and all that a browser does unasked would only be noise on the ports.
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic
    --no-first-run --no-default-browser-check --no-proxy-server --disable-sync
    --disable-background-networking --disable-component-update
    --disable-breakpad --disable-dev-shm-usage --disable-extensions
    --remote-debugging-pipe about:blank""".split()
PAGE_SECONDS, START_SECONDS = 5, 30


class Broken(Exception):
    """Nothing more can be had from this browser, or not in time."""


def program():
    return next(filter(None, map(shutil.which, NAMES)), None)


def show_version():
    if not program():
        sys.exit("chromium is not installed")
    if not shutil.which("certutil"):
        sys.exit("Chromium trusts what certutil gave it, and certutil is not "
                 "installed; libnss3-tools has it")
    print(subprocess.run([program(), "--version"], check=True, text=True,
                         stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout.strip())


def make_home(trust):
    home = os.path.abspath(tempfile.mkdtemp(prefix="chromium-", dir="."))
    store = os.path.join(home, ".pki", "nssdb")
    certutil = ["certutil", "-d", "sql:" + store]
    os.makedirs(store)
    subprocess.run(certutil + ["-N", "--empty-password"], check=True)
    end = "-----END CERTIFICATE-----\n"
    with open(trust, encoding="ascii") as file:
        roots = [root + end for root in file.read().split(end)[:-1]]
    for index, root in enumerate(roots):
        subprocess.run(certutil + ["-A", "-a", "-n", f"root {index}",
                                   "-t", "C,,"],
                       input=root, text=True, check=True)
    return home


class Browser:
    def __init__(self, home):
        its_in, self.to = os.pipe()
        self.back, its_out = os.pipe()
        self.rest, self.last, self.tab, self.frame = b"", 0, None, None
        self.process = subprocess.Popen(
            [program(), "--user-data-dir=" + os.path.join(home, "profile"),
             *OPTIONS],
            env={**os.environ, "HOME": home, "TMPDIR": home}, pass_fds=(3, 4),
            preexec_fn=lambda: (os.dup2(its_in, 3), os.dup2(its_out, 4)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(its_in)
        os.close(its_out)

    def receive(self, until):
        while b"\0" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise Broken("nothing in time")
            got = os.read(self.back, 65536)
            if not got:
                raise Broken("the browser has ended")
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, seconds, method, **parameters):
        self.last += 1
        ask = {"id": self.last, "method": method, "params": parameters}
        if self.tab:
            ask["sessionId"] = self.tab
        try:
            os.write(self.to, json.dumps(ask).encode() + b"\0")
        except OSError as error:
            raise Broken("the browser has ended") from error
        until = time.monotonic() + seconds
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise Broken(answer["error"]["message"])
                return answer["result"]

    def open_tab(self):
        self.frame = self.call(START_SECONDS, "Target.createTarget",
                               url="about:blank")["targetId"]
        self.tab = self.call(START_SECONDS, "Target.attachToTarget",
                             targetId=self.frame, flatten=True)["sessionId"]

    def visit(self, url):
        if not self.tab:
            self.open_tab()
        answer = self.call(
            PAGE_SECONDS, "Network.loadNetworkResource", frameId=self.frame,
            url=url, options={"disableCache": True,
                              "includeCredentials": False})["resource"]
        if "stream" in answer:
            self.call(PAGE_SECONDS, "IO.close", handle=answer["stream"])
        if answer["success"]:
            return "ok"
        return answer.get("netErrorName", "no page")

    def close(self):
        os.close(self.to)
        os.close(self.back)
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()


def visit_all(home, urls):
    """What is said of each. A browser that falls is begun again."""
    browser, answers = Browser(home), []
    for url in urls:
        try:
            answers.append(browser.visit(url))
        except Broken as why:
            answers.append(str(why))
            browser.close()
            browser = Browser(home)
    browser.close()
    shutil.rmtree(home, ignore_errors=True)  # a place has little room
    return answers


def main():
    # A browser reads its orders from 3 and answers on 4; nothing else may get
    # these numbers.
    os.dup2(0, 3)
    os.dup2(0, 4)
    pages = [line.split() for line in sys.stdin]
    said = {}
    for trust in dict.fromkeys(page[1] for page in pages):
        urls = [page[0] for page in pages if page[1] == trust]
        said.update(zip(urls, visit_all(make_home(trust), urls)))
    for url, _ in pages:
        print(said[url])


if sys.argv[1:] == ["--version"]:
    show_version()
else:
    main()
