# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to web servers: requests an address from this host."""

import signal
from contextlib import contextmanager

from ansible.module_utils.urls import open_url

AGENT = "kernel.livepatch"


class DeadlineExceeded(Exception):
    """The request as a whole took too long: a socket's timeout only covers the next byte."""


def fetch(url, seconds):
    """The status (an int) and its reason text, after redirects; uses no proxy, and reads no body.

    Raises DeadlineExceeded, and the errors of Python's libraries if there is no answer.
    """
    with _deadline(seconds):
        try:
            response = open_url(url, timeout=seconds, use_proxy=False, use_netrc=False, http_agent=AGENT)
        except OSError as error:
            status = getattr(error, "code", None)  # urllib's HTTPError is an answer too
            if not isinstance(status, int):
                raise
            return status, str(getattr(error, "reason", ""))
        try:
            return response.getcode(), str(getattr(response, "msg", ""))
        finally:
            response.close()


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
