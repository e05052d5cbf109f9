"""Standard Webhooks 1.0.0: the keys, and signatures both ways."""

from workers.webhook_delivery.signing.at_rest import Seals, SecretsKey, is_sealed, kind_of, open_seals
from workers.webhook_delivery.signing.keys import (
    PrivateKey,
    PublicKey,
    Secret,
    SecretError,
    SignatureError,
    new_key,
    signing_key,
)
from workers.webhook_delivery.signing.signatures import MOST_SECRETS, sign, signing_with, verify

__all__ = [
    "MOST_SECRETS",
    "PrivateKey",
    "PublicKey",
    "Seals",
    "Secret",
    "SecretError",
    "SecretsKey",
    "SignatureError",
    "is_sealed",
    "kind_of",
    "new_key",
    "open_seals",
    "sign",
    "signing_key",
    "signing_with",
    "verify",
]
