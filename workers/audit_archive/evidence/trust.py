"""What the chain cannot say of itself: who signed its digests, and which of them were seen outside of the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from workers.audit_archive.chain.digest import Digest, Head, Signature, digest_key, hash_of
from workers.audit_archive.chain.report import Finding, Standing


class Keys(Protocol):
    """The public keys that an auditor trusts."""

    def judge(self, signature: Signature, message: bytes) -> Literal["valid", "unknown key", "bad signature"]: ...


@dataclass(slots=True)
class Signatures:
    """Looks at each digest's signature in turn. What stands before the first signed digest is vouched for by that one's
    link; nothing unsigned may follow it, and one must be signed.
    """

    keys: Keys | None
    newest: Standing | None = None
    _unsigned: int = 0
    _is_signed: bool = False

    def see(self, digest: Digest) -> Finding | None:
        if self.keys is None:
            return None
        if digest.signature is None:
            self._unsigned = digest.sequence
            return Finding("unsigned", digest.key, "a signed digest stands before it") if self._is_signed else None
        self._is_signed = True
        verdict = self.keys.judge(digest.signature, digest.message())
        if verdict != "valid":
            return Finding(verdict, digest.key, f"key {digest.signature.key}")
        self.newest = Standing(digest.sequence, digest.period_end)
        return None

    def rest(self) -> list[Finding]:
        """Where a key was given and no digest is signed."""
        if self._unsigned and not self._is_signed:
            return [Finding("unsigned", digest_key(self._unsigned), "no digest is signed")]
        return []


@dataclass(slots=True)
class Anchors:
    """Compares digests with the heads that were kept elsewhere."""

    heads: Sequence[Head]
    newest: Standing | None = None
    _genesis: str = ""
    _seen: int = 0
    _named: set[str] = field(default_factory=set)

    def see(self, number: int, body: bytes, digest: Digest | None) -> list[Finding]:
        """Each kind of fault is named at the first digest that shows it: all later ones show it, too."""
        found, sha256 = [], hash_of(body)
        self._seen = number
        if number == 1:
            self._genesis = sha256
            if any(head.genesis not in {None, sha256} for head in self.heads):
                found += self._once(Finding("replaced genesis", digest_key(1), "an anchor names another first digest"))
        elif digest is not None and digest.genesis is not None and digest.genesis != self._genesis and self._genesis:
            found += self._once(Finding("replaced genesis", digest_key(1), f"{digest.key} names another first digest"))
        kept = {head.sha256 for head in self.heads if head.sequence == number}
        if sha256 in kept and len(kept) == 1:
            if digest is not None and "rewritten" not in self._named:
                self.newest = Standing(number, digest.period_end)
        elif kept:
            kind: Literal["replaced genesis", "rewritten"] = "replaced genesis" if number == 1 else "rewritten"
            found += self._once(Finding(kind, digest_key(number), f"an anchor names another digest; {self._last()}"))
        return found

    def pass_by(self, number: int) -> None:
        """The digest is there, and cannot be read."""
        self._seen = number

    def rest(self) -> list[Finding]:
        """Anchored digests behind the end of the chain."""
        cut = [head.sequence for head in self.heads if head.sequence > self._seen]
        if not cut:
            return []
        first, last = digest_key(self._seen + 1), digest_key(max(cut))
        where = first if first == last else f"{first} to {last}"
        return [Finding("truncated", where, f"anchored and gone; {self._last()}")]

    def _once(self, finding: Finding) -> list[Finding]:
        if finding.kind in self._named:
            return []
        self._named.add(finding.kind)
        return [finding]

    def _last(self) -> str:
        if self.newest is None:
            return "no digest is anchored as it stands"
        return f"last anchored as it stands: digest {self.newest.sequence}, to {self.newest.until.isoformat()}"
