# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to web servers: requests an address from this host, with the standard library alone.

The trial process uses it too. Only a watch with an address needs the library's memory, so it is imported on demand.
"""

import base64
import re
import signal
from contextlib import contextmanager

AGENT = "kernel.livepatch"
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
HANDLERS = ("HTTPHandler", "HTTPSHandler", "HTTPDefaultErrorHandler", "HTTPRedirectHandler", "HTTPErrorProcessor",
            "UnknownHandler")


class DeadlineExceeded(Exception):
    """The request as a whole took too long: a socket's timeout only covers the next byte."""


def prepare():
    """Import what `fetch` needs, so that it reads no file later; returns urllib."""
    import urllib.parse
    import urllib.request
    return urllib


def fetch(url, seconds):
    """The status (an int) and its reason text, after redirects; uses no proxy, and reads no body.

    Raises DeadlineExceeded, and the errors of Python's libraries if there is no answer.
    """
    library = prepare()
    with _deadline(seconds):
        try:
            response = _opener(library).open(_request(library, url), timeout=seconds)
        except OSError as error:
            status = getattr(error, "code", None)  # urllib's HTTPError is an answer too
            if not isinstance(status, int):
                raise
            return status, str(getattr(error, "reason", ""))
        try:
            return response.getcode(), str(getattr(response, "msg", ""))
        finally:
            response.close()


def _opener(library):
    """An opener for http and https, without the library's handlers of proxies, files and ftp."""
    opener = library.request.OpenerDirector()
    for name in HANDLERS:
        if hasattr(library.request, name):  # a Python without ssl has no HTTPSHandler
            opener.add_handler(getattr(library.request, name)())
    return opener


def _request(library, url):
    """The request for an address, with its user and password as a header of the first server alone."""
    parts, unquote = library.parse.urlsplit(url), library.parse.unquote
    request = library.request.Request(parts._replace(
        netloc=_plain_host(parts.netloc.rpartition("@")[2]), fragment="",
        **{key: NOT_ASCII.sub(lambda found: library.parse.quote(found.group()), getattr(parts, key))
           for key in ("path", "query")}).geturl())
    request.add_header("User-Agent", AGENT)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(login).decode('ascii')}")
    return request


def _plain_host(host):
    """A host and its port in ASCII, as DNS has it."""
    if not NOT_ASCII.search(host):
        return host
    name, colon, port = host.partition(":")
    return name.encode("idna").decode("ascii") + colon + port


@contextmanager
def _deadline(seconds):
    def raise_deadline(_number, _frame):
        raise DeadlineExceeded()
    earlier = signal.signal(signal.SIGALRM, raise_deadline)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
