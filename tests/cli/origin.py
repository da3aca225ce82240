#!/usr/bin/env python3
"""A server for tests of what a proxy changes: says what it was asked.

    origin.py [PORT | CERT KEY]   prints its port, then a line for each request;
                                  with a certificate it speaks TLS

GET /big is ten megabytes, /gzip /zstd /deflate are "the original text" in
that coding, /bomb is 256 megabytes of zeros in gzip, /alt names HTTP/3,
/moved leads to /new, /cookies sets two, /bytes is no text, /cut ends too soon;
anything else is answered with the request's own first line, fields and body.
"""
import gzip
import ssl
import subprocess
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = b"the original text " * 20


def coded(name):
    if name == "gzip":
        return gzip.compress(TEXT)
    if name == "deflate":
        return zlib.compress(TEXT)
    return subprocess.run(["zstd", "-qc"], input=TEXT, stdout=subprocess.PIPE,
                          check=True).stdout


def bomb():
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = b"".join(pack.compress(bytes(1 << 24)) for _ in range(16))
    return out + pack.flush()


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, body, **fields):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        print(self.requestline, flush=True)
        name = self.path[1:]
        if name in ("gzip", "zstd", "deflate"):
            self.answer(coded(name), Content_Type="text/html",
                        Content_Encoding=name)
        elif name == "bomb":
            self.answer(bomb(), Content_Encoding="gzip")
        elif name == "big":
            self.answer(b"0123456789" * 1024 * 1024)
        elif name == "alt":
            self.answer(b"ok", Alt_Svc='h3=":443"')
        elif name == "bytes":
            self.answer(bytes(range(256)), Content_Type="image/x-none")
        elif name == "moved":
            self.send_response(302)
            self.send_header("Location", "/new")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name == "cookies":
            self.send_response(204)
            self.send_header("Set-Cookie", "session=a=1; Path=/in; HttpOnly; "
                             "Expires=Wed, 21 Oct 2026 07:28:00 GMT")
            self.send_header("Set-Cookie", "lang=de; Secure; SameSite=Lax; "
                             "Domain=lab.test; Expires=never")
            self.end_headers()
        elif name == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        else:
            said = self.requestline + "\n" + str(self.headers)
            self.answer(said.encode("latin-1") + body,
                        Content_Type="text/plain")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = serve


port = int(sys.argv[1]) if len(sys.argv) == 2 else 0
server = ThreadingHTTPServer(("127.0.0.1", port), Origin)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
