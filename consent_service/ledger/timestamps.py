"""Time stamps of checkpoints by an authority outside (RFC 3161): asks for one, and checks one.

A stamp says that the checkpoint existed at a time the authority answers for. Nothing about anybody is sent, only the
SHA-256 of the signed note. Must not touch the database.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import requests
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

TIMEOUT_S = 10
LARGEST_ANSWER = 64 * 1024


class StampRefused(Exception):
    """The authority gave no usable stamp, or the stamp is of something else or by somebody else."""


def read_roots(path: Path) -> list[x509.Certificate]:
    """Return the root certificates in a PEM file; raises StampRefused."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StampRefused(f"CONSENT_TSA_ROOT_FILE: no certificate can be read from {path}") from error


def stamp(url: str, roots: Sequence[x509.Certificate], note: bytes) -> bytes:
    """Return the authority's answer over a signed checkpoint, checked; raises StampRefused."""
    request = TimestampRequestBuilder(data=note, hash_algorithm=HashAlgorithm.SHA256).build()
    try:
        answer = requests.post(
            url,
            data=request.as_bytes(),
            headers={"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"},
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,
        )
        with answer:
            content = _read(answer, time.monotonic() + TIMEOUT_S)
    except requests.RequestException as error:
        raise StampRefused(f"the time-stamp authority does not answer ({type(error).__name__})") from error
    if answer.status_code != requests.codes.ok:
        raise StampRefused(f"the time-stamp authority answers {answer.status_code}")
    _check(_decode(content), note, _with(VerifierBuilder.from_request(request), roots))
    return content


def check(token: bytes, roots: Sequence[x509.Certificate], note: bytes) -> datetime:
    """Return the time a kept stamp names for a signed checkpoint; raises StampRefused."""
    return _check(_decode(token), note, _with(VerifierBuilder(), roots))


def _read(answer: requests.Response, deadline: float) -> bytes:
    content = b""
    for piece in answer.iter_content(4096):
        content += piece
        if len(content) > LARGEST_ANSWER or time.monotonic() > deadline:
            raise StampRefused("the time-stamp authority's answer has no end")
    return content


def _decode(content: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(content)
        granted = PKIStatus(response.status) in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)
    except ValueError as error:
        raise StampRefused("the time-stamp authority's answer cannot be read") from error
    if not granted:
        raise StampRefused("the time-stamp authority refused")
    return response


def _check(response: TimeStampResponse, note: bytes, builder: VerifierBuilder) -> datetime:
    try:
        builder.build().verify_message(response, note)
    except (VerificationError, ValueError) as error:
        raise StampRefused("the time stamp is of something else, or by another authority") from error
    return response.tst_info.gen_time


def _with(builder: VerifierBuilder, roots: Sequence[x509.Certificate]) -> VerifierBuilder:
    for root in roots:
        builder = builder.add_root_certificate(root)
    return builder
