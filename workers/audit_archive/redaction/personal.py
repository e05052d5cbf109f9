"""Which names and which looks give personal data away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

FIELDS = frozenset(
    """
    email emails emailaddress mail phone phones phonenumber phonenumbers mobile mobilenumber telephone tel fax msisdn
    name names firstname lastname middlename fullname displayname givenname familyname surname nickname maidenname
    username guestname customername contactname recipientname holdername
    recipient recipients to cc bcc from replyto sender contact
    address addresses addressline1 addressline2 street streetaddress postalcode postcode zip zipcode
    birthday birthdate dateofbirth dob
    ip ipaddress sourceip remoteip clientip remoteaddr useragent
    token tokens pushtoken pushtokens expopushtoken expopushtokens devicetoken devicetokens deviceid
    guestid guest customerid customer squarecustomerid
    secret secrets previoussecret previoussecrets signingsecret password passphrase pin
    apikey accesskey accesstoken refreshtoken sessiontoken authorization cookie
    iban cardnumber accountnumber ssn taxid passportnumber licensenumber
    """.split()
)
"""Attribute names whose values are personal or secret, lower case, letters and digits only."""

_ENDINGS = (
    "email", "emailaddress", "phone", "phonenumber", "password", "secret", "secrets", "address", "pushtoken",
    "pushtokens", "firstname", "lastname", "fullname", "customerid", "guestid", "accesstoken", "apikey",
)  # fmt: skip

_LOOKS = re.compile(
    # Webhook signing secrets and push tokens first: what follows would find only a part of them.
    r"whsec_[A-Za-z0-9+/=_%-]+"
    r"|Expo(?:nent)?PushToken(?:\[|%5[Bb])[^\]\s%\"]{1,256}(?:\]|%5[Dd])?"
    # E-mail. Bounded on both sides, so that a long text costs a long text's time and not its square.
    r"|[^\s@<>()\[\]{},;:\"'\\/#=|?&]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    # E.164 (ITU): a plus, then 7 to 15 digits, not beginning with 0; people put blanks, dots and brackets between.
    r"|(?:\+|%2[Bb])[1-9](?:[ .()/-]{0,2}[0-9]){6,14}(?![0-9])"
)
_WORTH_A_LOOK = re.compile(r"[@+]|%40|%2[Bb]|whsec_|PushToken")
_PAIRS = re.compile(r"(?<![\w.\[\]-])([\w.\[\]-]{1,64})=([^&;,\s\"'<>]+)")
_QUOTED_NAMES = re.compile(r"[\"']([\w .-]{1,64})\\*+[\"']\s*+:")
_SEGMENTS = re.compile(r"[.\[\]]+")
_NOT_PLAIN = re.compile(r"[\W_]+")


class Names:
    """Decides by name. `more` extends the list; case, underscores and dots do not count (`First_Name` is firstname)."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._fields = FIELDS | {plain for name in more if (plain := _plain(name))}
        self._known: dict[str, bool] = {}

    def personal(self, name: str) -> bool:
        """True for `email`, `Guest_ID`, `billing.firstName`, `user[phone]`."""
        known = self._known.get(name)
        if known is None:
            known = any(self._is_personal(_plain(part)) for part in (name, _last_segment(name)))
            if len(self._known) < 4096:  # names are few; map keys that are data must not fill the memory
                self._known[name] = known
        return known

    def _is_personal(self, plain: str) -> bool:
        return plain in self._fields or plain.endswith(_ENDINGS)


def looks(text: str) -> Iterator[tuple[int, int, str]]:
    """Where `text` holds something that looks personal: start, end, and the value with its percent-encoding undone."""
    if _WORTH_A_LOOK.search(text):
        for found in _LOOKS.finditer(text):
            yield found.start(), found.end(), unquote(found[0]) if "%" in found[0] else found[0]


def pairs(text: str, names: Names) -> Iterator[tuple[int, int, str]]:
    """Values of personal names in query strings and log lines (`name=Anna&page=2`)."""
    if "=" in text:
        for found in _PAIRS.finditer(text):
            if names.personal(found[1]):
                yield found.start(2), found.end(2), unquote(found[2].replace("+", " "))


def names_within(text: str, names: Names) -> bool:
    """True where a text that is not JSON still quotes a personal name as JSON would: cut off, escaped, or embedded."""
    return ":" in text and any(names.personal(found[1]) for found in _QUOTED_NAMES.finditer(text))


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("", name).lower()


def _last_segment(name: str) -> str:
    return next((part for part in reversed(_SEGMENTS.split(name)) if part), name)
