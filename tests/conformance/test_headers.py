"""Behaviour 37: the headers of every answer; and what is refused by them."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from tests.conformance.client import Api, config_map


def test_37_headers(api: Api) -> None:
    for answer in (
        api.get(api.core("pods")),
        api.get(api.core("pods", "nobody")),
        api.post(api.core("configmaps"), config_map("a")),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-cache, private"
        assert answer.headers["audit-id"]
        assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None
    first, second = (api.get(api.core("pods")).headers["audit-id"] for _ in range(2))
    assert first != second


def test_37_headers_of_a_watch(api: Api) -> None:
    version = api.version(api.core("pods"))
    params = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": version}
    with api.http.stream("GET", api.core("pods"), params=params) as answer:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-cache, private"


def test_37_what_is_not_acceptable(api: Api) -> None:
    assert api.get(api.core("pods"), accept="text/html").status_code == 406
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.http.post(api.core("configmaps"), content=b"a=b", headers=headers).status_code == 415


def test_37_rebound_names_are_refused(api: Api) -> None:
    if api.target.kind != "embedded":
        pytest.skip("a real apiserver is protected by its certificate, not by the Host header")
    answer = api.http.get("/version", headers={"Host": "evil.example.com"})
    assert answer.status_code == 403
    for host in ("localhost", "127.0.0.1:1", "[::1]:80"):
        assert api.http.get("/version", headers={"Host": host}).status_code == 200
