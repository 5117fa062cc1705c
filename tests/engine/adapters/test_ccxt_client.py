"""The connection to Coinbase: which credentials are accepted, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.fakes_coinbase import API_KEY, made_up_keys, pem
from trading_engine.adapters.ccxt_client import CcxtClient, read_credentials
from trading_engine.errors import ConfigError


def write_credentials(folder: Path, api_key: str, secret: str) -> Path:
    (folder / "apiKey").write_text(api_key)
    (folder / "secret").write_text(secret)
    return folder


def test_credentials_accepted_when_newlines_are_literal(tmp_path: Path) -> None:
    """A secret pasted from JSON, its newlines two characters each, signs like the real one."""
    secret = json.dumps(made_up_keys().secret)[1:-1]
    keys = read_credentials(write_credentials(tmp_path, API_KEY + "\n", secret))
    assert "\\n" not in keys.secret
    CcxtClient(keys=keys)
    assert keys.secret not in repr(keys)


@pytest.mark.parametrize(
    ("api_key", "secret", "names"),
    [
        ("", made_up_keys().secret, "apiKey"),
        (made_up_keys().secret, made_up_keys().secret, "apiKey"),
        (API_KEY, "", "secret"),
        (API_KEY, "c2VjcmV0IG9mIGFuIG9sZCBrZXk=", "ECDSA"),
        (API_KEY, pem(ed25519.Ed25519PrivateKey.generate()), "ECDSA"),
        (API_KEY, pem(rsa.generate_private_key(65537, 2048)), "ECDSA"),
        (API_KEY, pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (API_KEY, "-----BEGIN EC PRIVATE KEY-----\nnonsense\n-----END EC PRIVATE KEY-----", "ECDSA"),
    ],
    ids=["no name", "key as name", "no secret", "hmac", "ed25519", "rsa", "P-384", "nonsense"],
)
def test_config_error_when_credentials_are_of_another_kind(
    tmp_path: Path, api_key: str, secret: str, names: str
) -> None:
    """One clear message that names what is allowed and shows nothing of the key."""
    with pytest.raises(ConfigError, match=names) as caught:
        CcxtClient(keys=read_credentials(write_credentials(tmp_path, api_key, secret)))
    assert not any(line in str(caught.value) for line in secret.splitlines() if line)


def test_config_error_when_files_are_missing(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ConfigError, match="apiKey"):
        read_credentials(tmp_path)


def test_config_error_when_another_exchange() -> None:
    """Only what is tested is allowed."""
    with pytest.raises(ConfigError, match="kraken"):
        CcxtClient("kraken")
