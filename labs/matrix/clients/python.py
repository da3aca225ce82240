# SPDX-License-Identifier: MIT
# Reads lines "URL TRUST" and fetches each page with the default context.
import http.client
import ssl
import sys
from urllib.parse import urlsplit


def visit(url, trust):
    context = ssl.create_default_context(cafile=trust)
    if "strict" in sys.argv[1:]:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    link = http.client.HTTPSConnection(
        urlsplit(url).hostname, urlsplit(url).port, context=context, timeout=5)
    try:
        link.request("GET", "/")
        return "ok", link.getresponse().read()
    finally:
        link.close()


for line in sys.stdin:
    try:
        print(visit(*line.split())[0], flush=True)
    except Exception as error:
        print(str(error).replace("\n", " "), flush=True)
