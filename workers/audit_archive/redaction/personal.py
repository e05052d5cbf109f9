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
    secret secrets previoussecret previoussecrets signingsecret webhookpayload customheaders password passphrase pin
    apikey accesskey accesstoken refreshtoken sessiontoken authorization cookie
    iban cardnumber accountnumber ssn taxid passportnumber licensenumber licenseplate
    nationalid personalid idcard insurancenumber ipaddr privatekey secretkey secretaccesskey
    vorname nachname familienname geburtsdatum geburtstag adresse anschrift strasse straße plz telefon telefonnummer
    handynummer handy kontonummer steuernummer prenom prénom nom courriel datenaissance datedenaissance
    nombre apellido apellidos correo teléfono direccion dirección fechanacimiento nome cognome indirizzo telefono
    codicefiscale sobrenome endereco endereço naam voornaam achternaam telefoonnummer adres imie imię nazwisko soyad
    اسم الاسم هاتف عنوان שם טלפון כתובת όνομα επώνυμο τηλέφωνο διεύθυνση
    имя фамилия отчество телефон почта адрес 名前 氏名 姓名 住所 電話番号 电话 手机 邮箱 地址 이름 성명 전화번호 주소
    """.split()
)
"""Attribute names whose values are personal or secret, lower case, letters and digits only."""

_ENDINGS = (
    "email", "emailaddress", "phone", "phonenumber", "password", "secret", "secrets", "address", "pushtoken",
    "pushtokens", "firstname", "lastname", "fullname", "customerid", "guestid", "accesstoken", "apikey",
    "privatekey", "secretkey", "secretaccesskey",
    "이름", "전화번호", "주소", "姓名", "电话", "地址", "氏名", "電話番号", "住所", "имя", "фамилия", "телефон", "телефона", "όνομα", "τηλέφωνο",
    "adresse", "anschrift", "vorname", "nachname", "telefon", "telefonnummer", "kontonummer", "geburtsdatum",
)  # fmt: skip

_LAST = frozenset(
    """
    email emails mail mails phone phones mobile mobiles telephone telephones tel fax msisdn cellphone
    firstname lastname surname forename fullname nickname username initials
    address addresses street postcode postalcode zip zipcode
    birthday birthdate birth dob birthplace gender nationality ethnicity religion
    passport passports ssn nino bsn iban ibans bic swift vat tin nif curp cpf aadhaar licence license visa
    card cards pan cvv cvc ip ips mac imei imsi useragent
    token tokens secret secrets password passwords passwd pwd passphrase passcode pin otp credential credentials
    cookie cookies authorization bearer jwt apikey privatekey
    guest guests customer customers square recipient recipients reporter reporters assignee attendee contact contacts
    person persons patient passenger employee
    adresse anschrift vorname nachname familienname telefon telefonnummer handynummer geburtsdatum passwort kennwort
    prénom prenom nom courriel téléphone nombre apellido apellidos correo teléfono telefono dirección direccion contraseña
    cognome indirizzo sobrenome endereço endereco voornaam achternaam adres imię nazwisko soyad имя фамилия телефона телефон почта адрес пароль
    """.split()
)
"""Words that make a name personal where they are its last one, but for those that say which, or what form of it."""

_WHICH = frozenset(
    """
    id ids no nr num number numbers value values text raw string list line line1 line2 new old current previous former
    privat privé privado livraison facturation entrega completo completa
    home work private business personal primary secondary main alt alternative other office cell e164 encoded base64 b64
    """.split()
)
_THINGS = frozenset(
    """
    table file bucket queue event host domain index key field column attribute class type function method stage project
    service worker stream topic rule path plan policy role region resource stack status metric tag template zone timezone
    code parameter variable log group header schema database cluster node image container module package version branch
    repository workflow job task step step1 action command operation channel device model product display folder bus
    """.split()
)
"""What has a name and is not a person: `bucketName` stays, `reporterName` does not."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")
_PAIRS = re.compile(
    r"(?<![\w.\[\]-])([\w.\[\]-]{1,64})=(?:\"([^\"]++)|'([^']++)|([^&;,\s\"'<>]++))"
    r"|<([\w.:-]{1,64})(?:\s[^<>]*+)?>(?:<!\[CDATA\[([^<>\]]++)|([^<>]++)<)"
)
_LINES = re.compile(
    r"(?<![\w.\[\]-])([\w.\[\]-]{1,64})[ \t]?[:=][ \t]{1,4}(?:\"([^\"]++)|'([^']++)|((?:(?!hmac:)[^\s,;{}<>\"'](?:[ \t]+(?=[^\s,;{}<>\"']))?)++))"
)
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
            known = any(self._is_personal(_plain(part)) or _tells(part) for part in (name, _last_segment(name)))
            if len(self._known) < 4096:  # names are few; map keys that are data must not fill the memory
                self._known[name] = known
        return known

    def _is_personal(self, plain: str) -> bool:
        return plain in self._fields or plain.endswith(_ENDINGS)


def pairs(text: str, names: Names) -> Iterator[tuple[int, int, str]]:
    """Values of personal names in query strings, log lines and XML (`name=Anna&page=2`, `name="Anna"`, `<name>Anna</name>`)."""
    found = _PAIRS.search(text) if "=" in text or "<" in text else None
    while found is not None:
        group = found.lastindex or 0
        is_personal = names.personal((found[1] or found[5]).rpartition(":")[2])
        if is_personal:
            yield *found.span(group), unquote(found[group].replace("+", " ")) if group == 4 else found[group]
        # What is not personal may have pairs within it: `message="name=Anna"`.
        found = _PAIRS.search(text, found.end(group) if is_personal or group == 4 else found.start(group))


def lines(text: str, names: Names) -> Iterator[tuple[int, int, str]]:
    """Values of personal names in settings, headers and lists: `name: Anna`, `password = hunter2`, `{name: "Anna"}`."""
    found = _LINES.search(text) if ": " in text or "= " in text else None
    while found is not None:
        group = found.lastindex or 0
        is_personal = names.personal(found[1])
        if is_personal:
            yield *found.span(group), found[group]
        found = _LINES.search(text, found.end(group) if is_personal else found.start(group))


def names_within(text: str, names: Names) -> bool:
    """True where a text that is not JSON still quotes a personal name as JSON would: cut off, escaped, or embedded."""
    return ":" in text and any(names.personal(found[1]) for found in _QUOTED_NAMES.finditer(text))


def _tells(name: str) -> bool:
    """True where the last word that counts is of a person: `passportNo`, `ws_token`, `reporterName`, `phone_work`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _WHICH or words[-1].isdigit()):
        words.pop()
    if not words:
        return False
    if words[-1] in {"name", "names"}:
        return len(words) < 2 or words[-2] not in _THINGS
    return words[-1] in _LAST


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("", name).lower()


def _last_segment(name: str) -> str:
    return next((part for part in reversed(_SEGMENTS.split(name)) if part), name)
