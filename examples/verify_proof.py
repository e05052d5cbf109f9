"""Checks what `fleet archive prove` wrote, without the fleet: RFC 9162 and a signature, in one file.

    python verify_proof.py PROOF.json KEYS.pem [NUMBER:HASH ...]

KEYS.pem: public keys that you trust. NUMBER:HASH: heads that were kept elsewhere, of the proof's digest or the one that its
consistency begins at. Needs `cryptography`. Ends with 0 and says what is shown, or with 1 and why not.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

SIGNED = b"sqs-worker-fleet audit digest v2\n"


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def above(fn: int, sn: int) -> tuple[int, int]:
    while fn == sn and fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn >> 1, sn >> 1


def includes(row: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    fn, sn, found = index, size - 1, hashlib.sha256(b"\x00" + row).digest()
    for each in path:
        if sn == 0:
            return False
        is_right = fn & 1 or fn == sn
        found = node(each, found) if is_right else node(found, each)
        fn, sn = above(fn, sn)
    return sn == 0 and found == root


def continues(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2."""
    if first == second:
        return not path and first_root == second_root
    path = [first_root, *path] if first & (first - 1) == 0 else path
    if not 0 < first < second or not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for each in path[1:]:
        if sn == 0:
            return False
        is_right = fn & 1 or fn == sn
        old, new = (node(each, old), node(each, new)) if is_right else (old, node(new, each))
        fn, sn = above(fn, sn)
    return sn == 0 and (old, new) == (first_root, second_root)


def signed(body: bytes, pem: bytes) -> dict[str, Any]:
    """The digest, if one of the keys signed it. Raises ValueError."""
    digest: dict[str, Any] = json.loads(body)
    signature = digest.pop("signature") or {}
    statement = json.dumps(digest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for block in re.findall(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", pem, re.DOTALL):
        key = serialization.load_pem_public_key(block)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        if hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest() != signature.get("key"):
            continue
        value = base64.b64decode(signature["value"])
        match key:
            case ed25519.Ed25519PublicKey():
                key.verify(value, SIGNED + statement)
            case ec.EllipticCurvePublicKey():
                key.verify(value, SIGNED + statement, ec.ECDSA(hashes.SHA256()))
            case _:
                raise ValueError("a key of another kind than the archive signs with")
        return digest
    raise ValueError("no key of yours signed the digest")


def main(proof_path: str, keys_path: str, *anchors: str) -> str:
    proof, pem = json.loads(Path(proof_path).read_text()), Path(keys_path).read_bytes()
    steps, bodies = proof["consistency"], [base64.b64decode(proof["digest"])]
    digest = signed(bodies[0], pem)
    size, root = digest["tree"]["size"], bytes.fromhex(digest["tree"]["root"])
    if not includes(proof["row"].encode(), proof["index"], size, [*map(bytes.fromhex, proof["path"])], root):
        raise ValueError("the row is not in the tree")
    if steps:
        bodies.append(base64.b64decode(steps["digest"]))
        old = signed(bodies[1], pem)["tree"]
        if not continues(old["size"], bytes.fromhex(old["root"]), size, root, [*map(bytes.fromhex, steps["path"])]):
            raise ValueError("the tree does not continue the older one")
    heads = {f"{json.loads(body)['sequence']}:{hashlib.sha256(body).hexdigest()}" for body in bodies}
    if not set(anchors) <= heads:
        raise ValueError("an anchor names another digest")
    return f"row {proof['index']} of {size} is in the archive of digest {digest['sequence']}, {digest['periodEnd']}"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        print(main(*sys.argv[1:]))
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        sys.exit(f"NOT PROVEN: {str(error) or type(error).__name__}")
