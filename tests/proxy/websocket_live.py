#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WebSocket over TLS through the proxy, with a client and a server that are
not ours (python3-websockets), with and without permessage-deflate, while a
Lua script edits what they say. usage: websocket_live.py PROGRAM"""

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

from proxy_process import ProxyProcess

try:
    import websockets
except ImportError:
    print("skipped: this machine has no python3-websockets")
    sys.exit(1 if os.environ.get("CI") else 77)

NAME = "bank.lab.test"

# On the way to the server another gets the money; what comes back says what
# was asked for. Bytes are left alone, but for one.
SCRIPT = r"""
function on_message(flow)
  assert(flow.tls and flow.server_name == "bank.lab.test")
  if flow.message_kind == "binary" then
    if flow.message == "\0\1" then flow.message = "\2\0" end
  elseif flow.to == "server" then
    flow.message = flow.message:gsub("alice", "mallory")
  else
    flow.message = flow.message:gsub("mallory", "alice")
  end
end
"""


class Server:
    """Says "paid" and what it heard; bytes it gives back."""

    def __init__(self, papers, compression):
        self.heard, self.compression = [], compression
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(papers + "/server.crt",
                                     papers + "/server.key")

    async def serve(self, conn, *_):
        async for message in conn:
            self.heard.append(message)
            await conn.send(message if isinstance(message, bytes)
                            else "paid: " + message)

    async def __aenter__(self):
        self.door = await websockets.serve(
            self.serve, "127.0.0.1", 0, ssl=self.context,
            compression=self.compression)
        self.port = self.door.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.door.close()
        await self.door.wait_closed()


class Proxy(ProxyProcess):
    def __init__(self, program, papers, port):
        for name, text in (("hosts", "127.0.0.1 " + NAME + "\n"),
                           ("edit.lua", SCRIPT)):
            with open(papers + "/" + name, "w", encoding="ascii") as file:
                file.write(text)
        super().__init__(
            program, papers, "--upstream", "https://%s:%d" % (NAME, port),
            "--hosts", papers + "/hosts", "--ca", papers + "/rogue",
            "--upstream-ca", papers + "/trust.pem", "--script",
            papers + "/edit.lua")


def visit(papers, port, compression):
    context = ssl.create_default_context(cafile=papers + "/rogue/ca.crt")
    return websockets.connect("wss://%s/chat" % NAME, host="127.0.0.1",
                              port=port, ssl=context,
                              compression=compression)


async def talk(program, papers, compression, says):
    """What the victim heard and the server, and the events."""
    async with Server(papers, compression) as server:
        with Proxy(program, papers, server.port) as proxy:
            heard = []
            async with visit(papers, proxy.port, compression) as victim:
                agreed = [type(it).__name__ for it in victim.extensions]
                assert bool(agreed) == bool(compression), agreed
                for message in says:
                    await victim.send(message)
                    heard.append(await asyncio.wait_for(victim.recv(), 20))
                await victim.ping()
            loop = asyncio.get_running_loop()
            events = await loop.run_in_executor(None, proxy.stop)
    errors = [it for it in events if it["kind"] == "script.error"]
    assert not errors, errors
    return heard, server.heard, [it["data"] | {"dir": it["dir"]}
                                 for it in events
                                 if it["kind"] == "websocket.message"]


def texts_are_edited_both_ways(program, papers, compression):
    says = ["pay alice 100", "hello", "pay alice 100 and alice 50"]
    heard, came, events = asyncio.run(talk(program, papers, compression,
                                           says))
    assert came == [it.replace("alice", "mallory") for it in says], came
    # The victim sees nothing of it.
    assert heard == ["paid: " + it for it in says], heard
    changed = [it["body"] for it in events
               if it["changed"] and it["dir"] == "up"]
    assert "pay mallory 100" in changed, events
    packed = [it for it in events if it["opcode"] == "text"
              and it["dir"] == "up" and not it["changed"]]
    assert [it["body"] for it in packed] == says, packed
    assert all(it["compressed"] == bool(compression) for it in packed), packed


def bytes_pass_unless_the_script_says_so(program, papers, compression):
    says = [bytes(range(256)) * 40, b"\0\1", b""]
    heard, came, _ = asyncio.run(talk(program, papers, compression, says))
    assert came == [says[0], b"\2\0", b""], came
    assert heard == came, heard


def a_long_talk_keeps_its_window(program, papers, compression):
    """Edited messages leave the compression window; those behind them must
    still be understood."""
    says = [("note %d: " % i + "all is well " * 30 +
             ("alice" if i % 3 == 0 else "bob")) for i in range(40)]
    heard, came, _ = asyncio.run(talk(program, papers, compression, says))
    assert came == [it.replace("alice", "mallory") for it in says], came
    assert heard == ["paid: " + it for it in says], heard


def main():
    program = sys.argv[1]
    papers = tempfile.mkdtemp()
    try:
        subprocess.run([program, "cert", "make", "c00", "--out",
                        papers + "/c"], check=True,
                       stdout=subprocess.DEVNULL)
        for test in (texts_are_edited_both_ways,
                     bytes_pass_unless_the_script_says_so,
                     a_long_talk_keeps_its_window):
            for compression in ("deflate", None):
                test(program, papers + "/c", compression)
                print("ok", test.__name__, compression or "plain")
    finally:
        shutil.rmtree(papers)


if __name__ == "__main__":
    main()
