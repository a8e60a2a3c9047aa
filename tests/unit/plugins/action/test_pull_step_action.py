# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one request for a release behind an address, to a server of this test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.kernel.livepatch.plugins.action import _pull_step as action

x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the certificate of the server")

BODY = b"rings: [100%]\nreleases: []\n" + b"#" * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers /release.yml, and leads /elsewhere there."""

    def do_GET(self):
        self.server.requests.append(self.path)
        status = {"/release.yml": 200, "/elsewhere": 302}.get(self.path, 404)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/release.yml")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_words):
        pass


def certificate():
    """A certificate for 127.0.0.1 that signs itself, and its key, as PEM."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = datetime.datetime(2020, 1, 1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(
        1).not_valid_before(begin).not_valid_after(datetime.datetime(2120, 1, 1)).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False).add_extension(
        x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def server(tmp_path):
    """A server with https; `requests` has the paths that it was asked for, `authority` the file of its certificate."""
    made, key = certificate()
    (tmp_path / "server.pem").write_bytes(made + key)
    (tmp_path / "authority.pem").write_bytes(made)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        httpd.requests, httpd.authority = [], str(tmp_path / "authority.pem")
        httpd.address = f"https://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def test_a_release_is_one_bounded_request(server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", server.authority)
    assert action._fetch(f"{server.address}/release.yml", 100) == BODY[:100]
    assert server.requests == ["/release.yml"]


@pytest.mark.parametrize(("path", "requests"), [("/elsewhere", ["/elsewhere"]), ("/none", ["/none"])])
def test_a_redirect_and_an_error_are_no_release(server, monkeypatch, path, requests):
    monkeypatch.setenv("SSL_CERT_FILE", server.authority)
    with pytest.raises(OSError):
        action._fetch(server.address + path, 100)
    assert server.requests == requests


def test_a_server_that_no_authority_vouches_for_is_refused(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(OSError):
        action._fetch(f"{server.address}/release.yml", 100)
    assert server.requests == []
