"""Throw-away certificates, made with the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct

__all__ = ["Authority", "Pair"]

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Pair(Struct, frozen=True):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl command to make certificates")
        self.folder = folder
        self.pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        _openssl("req", "-x509", *NEW_KEY, "-days", "2",
                 "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-keyout", self.pair.key, "-out", self.pair.certificate)  # fmt: skip

    def issue(self, name: str, *, alternatives: str = "") -> Pair:
        """A certificate for ``name``, with subjectAltName ``alternatives``."""
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = [
            "subjectKeyIdentifier=hash",
            "authorityKeyIdentifier=keyid",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=serverAuth,clientAuth",
        ]
        if alternatives:
            lines.append(f"subjectAltName={alternatives}")
        extensions.write_text("\n".join(lines))
        _openssl("req", *NEW_KEY, "-subj", f"/CN={name}",
                 "-keyout", pair.key, "-out", request)  # fmt: skip
        _openssl("x509", "-req", "-in", request, "-CA", self.pair.certificate, "-CAkey", self.pair.key,
                 "-CAcreateserial", "-days", "2", "-extfile", extensions,
                 "-out", pair.certificate)  # fmt: skip
        return pair


def _openssl(*args: str | Path) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
