"""Certificates of an own authority, made by openssl for one test."""

import shutil
import subprocess
from pathlib import Path

import pytest


def certify(folder: Path) -> None:
    """Make an authority of 400 days, and a broker's certificate of 20 days, by openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    of_broker = folder / "broker.cnf"
    of_broker.write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for arguments in (
        ("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "400",
         "-subj", "/CN=Hoi truong"),
        ("req", *key, "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=broker"),
        ("x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-out", "broker.pem", "-days", "20", "-extfile", of_broker.name),
    ):  # fmt: skip
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
