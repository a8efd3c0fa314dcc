"""SDK-HMAC-SHA256: the fact sheet's vectors (B4), a temporary key, and that nothing secret shows."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from clients.managed.calls import Request
from clients.managed.secret import Secret
from clients.modelarts.credentials import AccessKey
from clients.modelarts.signer import signed_headers

KEY = AccessKey(Secret("TESTAK"), Secret("testsecret"))
HOST = "modelarts.ap-southeast-1.myhuaweicloud.com"
PROJECT = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def signed(request: Request, key: AccessKey = KEY) -> dict[str, str]:
    return signed_headers(key, request, host=HOST, project=PROJECT, at=AT)


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (
            Request("PUT", f"/v2/{PROJECT}/services/svc-1/deployments/chat/scale", body=b'{"count": 3}'),
            "40c918ec1678a2374e54d290d9a85f5b7b62402742dca8ead176a6e6c65f6912",
        ),
        (
            Request("GET", f"/v2/{PROJECT}/services", (("limit", "500"), ("offset", "0"))),
            "a784bcf3f513569ff522c6630ed9151c4fafe4d4aeb6e1adad8630dbe549e894",
        ),
    ],
)
def test_the_published_vectors(request_: Request, signature: str) -> None:
    headers = signed(request_)
    assert headers["X-Sdk-Date"] == "20260101T000000Z"
    assert headers["Authorization"] == (
        "SDK-HMAC-SHA256 Access=TESTAK, SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
        f"Signature={signature}"
    )


@pytest.mark.parametrize(
    ("request_", "token", "signature"),
    [
        (
            Request(
                "PUT",
                f"/v2/{PROJECT}/services/svc-1/deployments/chat%20a~b%E8%81%8A/scale",
                body=b'{"count": 3}',
            ),
            None,
            "4b17dbd7a16a433907cc0fe0b6733080d53e36923e1c89c988d8ecfabfda8eb8",
        ),
        (
            Request(
                "GET",
                f"/v2/{PROJECT}/services/flavors",
                (("limit", "500"), ("offset", "0"), ("flavor_type", "A B/+")),
            ),
            None,
            "0c33835bf0172f768d7e2b64f7fd6a26f1b4d757906ab6661af1999db55ef4d7",
        ),
        (
            Request("POST", f"/v2/{PROJECT}/services/svc-1/deployments/d-17/stop"),
            "temporary",
            "45828a5ed0792b3478ce9cf0f8ec0e032d3faf8d5ccdf4d9ed19ecd56c3f0d68",
        ),
    ],
)
def test_as_the_vendors_own_signer_does(request_: Request, token: str | None, signature: str) -> None:
    """Made with ``huaweicloudsdkcore`` 3.1.219."""
    key = AccessKey(KEY.access, KEY.secret, None if token is None else Secret(token))
    assert signed(request_, key)["Authorization"].endswith(f"Signature={signature}")


def test_the_order_of_a_query_does_not_count() -> None:
    one = Request("GET", f"/v2/{PROJECT}/services", (("offset", "0"), ("limit", "500")))
    other = Request("GET", f"/v2/{PROJECT}/services", (("limit", "500"), ("offset", "0")))
    assert signed(one) == signed(other)


def test_a_temporary_key_sends_its_token_and_signs_it() -> None:
    key = AccessKey(KEY.access, KEY.secret, Secret("a-token"))
    headers = signed(Request("GET", "/v2/p/services"), key)
    assert headers["X-Security-Token"] == "a-token"
    assert (
        "SignedHeaders=content-type;host;x-project-id;x-sdk-date;x-security-token,"
        in (headers["Authorization"])
    )
    assert headers["Authorization"] != signed(Request("GET", "/v2/p/services"))["Authorization"]


def test_X1_no_repr_and_no_pickle_of_a_key_tells_it() -> None:  # noqa: N802
    key = AccessKey(KEY.access, KEY.secret, Secret("a-token"))
    assert not any(word in repr(key) for word in ("TESTAK", "testsecret", "a-token"))
    with pytest.raises(TypeError):
        pickle.dumps(key)
