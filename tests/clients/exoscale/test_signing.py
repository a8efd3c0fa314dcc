"""The signature EXO2-HMAC-SHA256 against published vectors, which the fake's own check takes too."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from clients.embedded.exoscale.signature import Account, objection
from clients.exoscale.credentials import Credentials
from clients.exoscale.signing import authorization, message, signature
from clients.managed.calls import Request
from clients.managed.secret import Secret

KEY = "EXO" + "x" * 24
SECRET = "X" * 43
EXPIRES = 3376684800
ONE = "/v2/ai/deployment/11111111-2222-3333-4444-555555555555"
VECTORS = [
    (Request("GET", "/v2/zone"), "Ntbq/p0HVmA3Zg1HHY+Lq1vjFGi7HeMrrgXDS5jRNlY="),
    (
        Request("GET", "/v2/zone", (("k2", "v2"), ("k1", "v1"))),
        "iqOBz13+44L5j0uJclE8hmUhQQcvtCSoPEOXYK6liqY=",
    ),
    (
        Request("POST", "/v2/load-balancer", body=b'{"name": "foo"}'),
        "duldkM0+pgWRtUznj0rMrZauzsYOtSVLn1LCGcs7CcE=",
    ),
    (
        Request("POST", f"{ONE}/scale", body=b'{"replicas": 3}'),
        "J+SrzSyRdSVfhCobfxgMNS33hREy5CtTqarPkul0iwg=",
    ),
    (Request("GET", f"{ONE}/logs", (("tail", "50"),)), "LwNYPTJnRUmABeilBmloMBh8JVQHPb6GOo2N3u6Wnvc="),
    (
        Request("GET", "/v2/ai/deployment", (("visibility", "private"),)),
        "GlBXTJxkU3dRg/XoBSkhEbpNFSbLSbaPRLNQfCetMpk=",
    ),
]


@pytest.mark.parametrize(("request_", "signed"), VECTORS, ids=lambda value: str(getattr(value, "target", "")))
def test_published_vectors(request_: Request, signed: str) -> None:
    assert signature(SECRET, message(request_, EXPIRES)) == signed
    header = authorization(Credentials(Secret(KEY), Secret(SECRET)), request_, EXPIRES)
    names = ";".join(sorted(name for name, _ in request_.query))
    arguments = f",signed-query-args={names}" if names else ""
    assert header == f"EXO2-HMAC-SHA256 credential={KEY}{arguments},expires={EXPIRES},signature={signed}"


@pytest.mark.parametrize(("request_", "signed"), VECTORS, ids=lambda value: str(getattr(value, "target", "")))
def test_the_fake_understands_the_scheme_by_itself(request_: Request, signed: str) -> None:
    names = ";".join(sorted(name for name, _ in request_.query))
    arguments = f",signed-query-args={names}" if names else ""
    header = f"EXO2-HMAC-SHA256 credential={KEY}{arguments},expires={EXPIRES},signature={signed}"
    account = Account(KEY, SECRET)

    def said(header: str, body: bytes | None = request_.body, now: float = EXPIRES - 1) -> str | None:
        seen = make_mocked_request(request_.method, request_.target, headers={"Authorization": header})
        assert seen.url.path == URL(request_.path).path
        return objection(seen, body or b"", account, now)

    assert said(header) is None
    assert said(header, now=EXPIRES + 1) == "Signature expired"
    assert said(header, body=b'{"replicas":3}') == "Invalid signature"
    assert said(header.replace(KEY, KEY[:-1] + "y")) == "Invalid API key"
    assert said(header.replace("EXO2", "EXO1")) == "Missing or malformed signature"


def test_only_names_that_occur_once_are_signed() -> None:
    twice = Request("GET", "/v2/zone", (("a", "1"), ("b", "2"), ("a", "3")))
    assert message(twice, 7) == b"GET /v2/zone\n\n2\n\n7"
    header = authorization(Credentials(Secret(KEY), Secret(SECRET)), twice, 7)
    assert ",signed-query-args=b,expires=7," in header


def test_values_are_signed_as_they_were_before_encoding() -> None:
    request = Request("GET", "/v2/zone", (("q", "x y&ü"),))
    assert request.target == "/v2/zone?q=x%20y%26%C3%BC"
    assert message(request, 7) == "GET /v2/zone\n\nx y&ü\n\n7".encode()
