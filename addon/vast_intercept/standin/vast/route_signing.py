"""The router's signature, which proves to a worker that the router sent it a call."""

import asyncio
import base64
import binascii
import json
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_PADDING = PKCS1v15()


class RouteSigner:
    """Signs with a new RSA key, which is made when it is first used."""

    def __init__(self) -> None:
        self._key: RSAPrivateKey | None = None
        self._making = asyncio.Lock()

    async def public_key(self) -> bytes:
        """The public key, in PEM."""
        key = (await self._made()).public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def sign(self, url: str) -> str:
        """The signature of a worker's URL, in base64."""
        return _signature(await self._made(), url)

    async def verify(self, url: object, signature: object) -> bool:
        """Whether `signature` is the router's signature of `url`."""
        key = (await self._made()).public_key()
        try:
            key.verify(base64.b64decode(str(signature)), _message(url), _PADDING, SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    async def _made(self) -> RSAPrivateKey:
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(generate_private_key, 65537, 2048)
            return self._key


@lru_cache(1_000)  # the signature of a URL is always the same, and takes a millisecond
def _signature(key: RSAPrivateKey, url: str) -> str:
    return base64.b64encode(key.sign(_message(url), _PADDING, SHA256())).decode()


def _message(url: object) -> bytes:
    return json.dumps({"url": url}, indent=4, sort_keys=True).encode()
