"""Which looks give personal data away, in any text: addresses, numbers that people have, and what lets somebody in."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import unquote

_SECRETS = (
    # Webhook signing secrets and push tokens first: what follows would find only a part of them.
    r"whs(?:ec|k)_[A-Za-z0-9+/=_%-]+"
    r"|Expo(?:nent)?PushToken(?:\[|%5[Bb])[^\]\s%\"]{1,256}(?:\]|%5[Dd])?"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s]*(?:-----END [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?"
    r"|(?<![\w-])eyJ[\w-]{6,}(?:\.[\w-]*){1,4}"  # a JSON web token
    r"|(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)"
    r"|(?<!\w)(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|(?:sk|pk|rk)_(?:live|test)_|sq0[a-z]{3}-|EAAA|AIza|npm_|SG\.)[\w.-]{16,}"
    r"|(?<![\w-])sk-(?:[a-z]{2,8}-(?:[a-z0-9]{4,8}-)?)?\w{20}[\w-]*"
    r"|(?<=://)[^\s/@:<>\"']{0,64}:[^\s/@<>\"']{1,128}(?=@)"  # who, and the password, of an address
    r"|(?<!\w)(?i:bearer|basic|digest)\s{1,4}[\w.~+/=-]{8,}"
)
_MAIL = (
    # Bounded on both sides, so that a long text costs a long text's time and not its square.
    r"(?:\"[^\"@\n]{1,62}\"|[^\s@<>()\[\]{},;:\"'\\/#=|?&]{1,64})(?:@|%40|%2540|&#64;|&#x40;|&commat;|\\u0040)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
)
_BEHIND_A_WORD = r"(?<=[^\W\d_]:)"  # `phone:0170…`, and no time of day
_IN_A_LIST = r"(?<=[0-9]{6}[,/])"
_NUMBERS = (
    # E.164 (ITU): a plus or 00, then 7 to 15 digits, not beginning with 0; people put blanks, dots and brackets between.
    rf"(?P<phone>(?:\+|%2[Bb]|(?:(?<![\w.,:/-])|{_BEHIND_A_WORD}|{_IN_A_LIST})(?:00(?=[1-9 ./(-])|011(?=[ .-])))[ .-]?[1-9](?:[ .()/-]{{0,2}}[0-9]){{6,14}}(?![0-9])"
    # National, with its trunk prefix; a date with a time behind it is none.
    rf"|(?:(?<![\w.,:/-])|{_BEHIND_A_WORD}|{_IN_A_LIST})(?![0-9]{{2}}[./-][0-9]{{2}}[./-][0-9]{{4}})\(?0[1-9]\)?(?:[ ./()-]{{0,2}}[0-9]){{6,10}}\)?(?![\w-])"
    r"|(?<![\w.:/-])\(?[2-9][0-9]{2}\)?[ .-]{1,2}[2-9][0-9]{2}[ .-][0-9]{4}(?![\w-]))"
    r"|(?P<ssn>(?<![\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-]))"
    r"|(?P<iban>(?<!\w)[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?(?!\w))"
    r"|(?P<card>(?<![\w-])(?:[3-6][0-9]{3}(?:[ -]?[0-9]){9,15}|[2-6][0-9]{3}(?:[ .-]?[0-9]{4}){3})(?![\w-]))"
    r"|(?P<mac>(?<![\w:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![\w:-]))"
    rf"|(?P<ip>(?:(?<![\w.:])|{_BEHIND_A_WORD})[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?![\w]|\.[0-9])"
    rf"|(?:(?<![\w:.])|{_BEHIND_A_WORD})(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:[0-9A-Fa-f]{{1,4}}|[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})?(?![\w:]))"
)
_LETTERS = re.compile(f"{_SECRETS}|{_MAIL}")
_DIGITS = re.compile(_NUMBERS)
_WORTH_LETTERS = re.compile(
    r"@|%40|%2540|&#|&commat|u0040|whsec_|whsk_|PushToken|eyJ|AKIA|ASIA|-----BEGIN|gh[pousr]_|github_pat_|glpat-|xox|_live_|_test_|sq0|EAAA|AIza|npm_|SG\.|sk-"
    r"|[Bb][Ee][Aa][Rr][Ee][Rr]\s|[Bb][Aa][Ss][Ii][Cc]\s|[Dd][Ii][Gg][Ee][Ss][Tt]\s"
)
_WORTH_DIGITS = re.compile(
    r"[0-9][0-9 .()/-]{4,}[0-9]|[0-9A-Fa-f]{0,4}[:-][0-9A-Fa-f]{0,4}:|[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-|[0-9]\.[0-9]{1,3}\.[0-9]"
)
_ENCODED = re.compile(
    r"(?<![\w+/-])(?:(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]{1,76}|[A-Za-z0-9+/_-]{16,}|[A-Za-z0-9+/_-]{10,15}(?==))={0,2}(?![\w+/=-])"
)
_PIECE = re.compile(r"[^\s&?;,\"'<>]++")
_STRUCTURE = re.compile(r"%(?:22|5[BbDd]|7[BbDd]|3[AaDd])")
_READABLE = re.compile(rb"[\t\n\r -~]{6,}")
_WIDE = re.compile(rb"(?:[ -~]\0){6,}|(?:\0[ -~]){6,}")

_LIKE_ASCII = {ord(sign): plain for sign, plain in zip("＠﹫．＋﹢（）／：", "@@.++()/:", strict=True)}  # noqa: RUF001
_ZEROS = "٠۰०০੦૦௦౦೦൦๐໐༠၀០０"
_LIKE_NUMBERS = (
    _LIKE_ASCII
    | {ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)}
    | dict.fromkeys(
        [0xA0, 0xAD, *range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x205F, 0x2070), 0x3000, 0xFEFF], " "
    )
    | dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D], "-")
)
"""What people and programs write in the place of ASCII's digits, blanks and dashes; sign by sign, so that places stay."""


def looks(text: str) -> Iterator[tuple[int, int, str]]:
    """Where `text` holds something that looks personal: start, end, and the value with its percent-encoding undone."""
    plain = text if text.isascii() else text.translate(_LIKE_ASCII)
    if len(text) > 4 and _WORTH_LETTERS.search(plain):
        for found in _LETTERS.finditer(plain):
            yield found.start(), found.end(), _plain(found[0])


def numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """As `looks`: telephone numbers, IBANs, cards, network addresses; what can be checked is."""
    plain = text if text.isascii() else text.translate(_LIKE_NUMBERS)
    if len(text) > 6 and _WORTH_DIGITS.search(plain):
        found, place = _DIGITS.search(plain), 0
        while found is not None:
            place = found.start() + 1  # what fails its check may hold something else; each match is short
            if _CHECKS.get(found.lastgroup or "", _any)(found[0]):
                yield found.start(), found.end(), _plain(found[0])
                place = found.end()
            found = _DIGITS.search(plain, place)


def encoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Where `text` holds Base64 (of either alphabet, in one line or in those of MIME): start, end, and what can be read in it."""
    for found in _ENCODED.finditer(text) if len(text) >= 12 else ():
        signs = "".join(found[0].rstrip("=").split()).translate(_URL_SAFE)
        try:
            opened = readable(urlsafe_b64decode(signs + "=" * (-len(signs) % 4)))
        except (binascii.Error, ValueError):
            continue
        if opened:
            yield found.start(), found.end(), opened


def percent_encoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Where `text` holds names or JSON in percent-encoding (`guest%5Bname%5D=Anna`): start, end, and what it says."""
    for found in _PIECE.finditer(text) if "%" in text and _STRUCTURE.search(text) else ():
        if _STRUCTURE.search(found[0]):
            yield found.start(), found.end(), unquote(found[0].replace("+", " "))


def readable(content: bytes) -> str:
    """The text that bytes are, else the texts of six letters or more within them: in MessagePack, Latin-1, UTF-16."""
    wide = [found.replace(b"\0", b"") for found in _WIDE.findall(content)] if b"\0" in content else []
    try:
        return "\n".join([content.decode(), *(each.decode() for each in wide)])
    except UnicodeDecodeError:
        return b"\n".join([*_READABLE.findall(content), *wide]).decode()


def _plain(text: str) -> str:
    return unquote(text) if "%" in text else text


def _is_iban(text: str) -> bool:
    """ISO 13616: the letters as numbers, the first four signs at the end, modulo 97."""
    signs = re.sub(r"[ -]", "", text).upper()
    return 15 <= len(signs) <= 34 and int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """ISO 7812: Luhn's check digit."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return len(text) > 6  # `a::b` is code


def _any(_text: str) -> bool:
    return True


_URL_SAFE = str.maketrans("+/", "-_")
_CHECKS: Mapping[str, Callable[[str], bool]] = {"iban": _is_iban, "card": _is_card, "ip": _is_address}
