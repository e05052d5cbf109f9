import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.webhook_delivery.egress.guard import AddressRefused, guarded_socket, url_fault, verdict

REFUSED = """
    0.0.0.0 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.0 100.64.0.1 100.127.255.255
    127.0.0.0 127.0.0.1 127.1.2.3 127.255.255.255 169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255
    172.16.0.0 172.16.0.1 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.255 192.0.2.0 192.0.2.1 192.0.2.255
    192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.1.1 192.168.255.255 198.18.0.0 198.18.0.1 198.19.255.255
    198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 224.0.0.1 239.255.255.255 240.0.0.0 240.0.0.1
    255.255.255.254 255.255.255.255
    :: ::1 ::2 1::1 ff:ffff::1 ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:192.168.0.1 ::ffff:224.0.0.1
    64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::ffff:ffff 64:ff9b:1::1 64:ff9b:1::101:101
    100::1 200::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:10::1 2001:20::1 2001:1ff::1
    2001:db8::1 2001:db8:ffff::1 2002:7f00:1::1 2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff::1
    2606:4700::5efe:7f00:1 2606:4700::200:5efe:a9fe:a9fe 4000::1 5f00::1 8000::1
    fc00::1 fd00::1 fd00:ec2::254 fdff:ffff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff0e::1
    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
""".split()
ALLOWED = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.1 192.167.255.255 192.169.0.0
    198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
    ::ffff:8.8.8.8 64:ff9b::101:101 64:ff9b::8.8.8.8 2000::1 2001:200::1 2001:4860:4860::8888 2001:db7::1 2001:db9::1
    2003::1 2600:1f18::1 2606:4700:4700::1111 2606:4700::5efe:808:808 2a00:1450::1 3ffd::1 3fff:1000::1
""".split()


def test_an_address_that_is_not_the_public_internet_s_is_refused_with_a_reason() -> None:
    assert [address for address in REFUSED if not verdict(address)] == []


def test_a_public_address_is_allowed() -> None:
    assert [address for address in ALLOWED if verdict(address) is not None] == []
    assert [address for address in ALLOWED if verdict(ipaddress.ip_address(address)) is not None] == []


@pytest.mark.parametrize("text", ["", "localhost", "0x7f000001", "127.1", "2130706433", "0177.0.0.1", "1.1.1.1:443"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    assert verdict(text) == "no address"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_the_development_switch_allows_loopback(address: str) -> None:
    assert verdict(address, allow_loopback=True) is None


def test_the_development_switch_allows_nothing_but_loopback() -> None:
    allowed = [address for address in REFUSED if not verdict(address, allow_loopback=True)]
    assert allowed == ["127.0.0.0", "127.0.0.1", "127.1.2.3", "127.255.255.255", "::1", "::ffff:127.0.0.1"]


@given(st.ip_addresses(v=4))
def test_an_address_that_carries_ipv4_inherits_its_verdict(carried: ipaddress.IPv4Address) -> None:
    assert verdict(f"::ffff:{carried}") == verdict(carried)
    assert verdict(f"64:ff9b::{carried}") == verdict(carried)
    assert verdict(f"::{carried}")
    assert verdict(f"::ffff:0:{carried}")
    assert verdict(ipaddress.IPv6Address((0x2002 << 112) | (int(carried) << 80)))


@given(st.ip_addresses(v=6))
def test_ipv6_outside_2000_3_is_refused(address: ipaddress.IPv6Address) -> None:
    carries = address.ipv4_mapped or address in ipaddress.IPv6Network("64:ff9b::/96")
    if not carries and address not in ipaddress.IPv6Network("2000::/3"):
        assert verdict(address)


@given(st.ip_addresses())
def test_what_python_calls_private_or_reserved_is_never_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if (address.is_private or address.is_reserved or address.is_multicast) and verdict(address) is None:
        carried = getattr(address, "ipv4_mapped", None) or ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        assert verdict(carried) is None  # mapped or NAT64, with a public address inside


def info(address: str) -> tuple[object, ...]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443))


def test_no_socket_is_made_for_a_refused_address() -> None:
    for address in REFUSED:
        with pytest.raises(AddressRefused):  # a socket that is made instead is shown with its address
            raise AssertionError(guarded_socket(allow_loopback=False)(info(address)), address)


def test_a_socket_is_made_for_a_public_address() -> None:
    for address in (each for each in ALLOWED if ":" not in each or socket.has_ipv6):
        with guarded_socket(allow_loopback=False)(info(address)) as made:
            assert made.type == socket.SOCK_STREAM, address


def test_no_socket_is_made_for_another_kind_of_address() -> None:
    with pytest.raises(AddressRefused):
        guarded_socket(allow_loopback=True)((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/docker.sock"))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com:443/a?b=c#d",
        "https://example.com:80/",
        "https://example.com:1024/",
        "https://example.com:65535/",
        "https://[2606:4700:4700::1111]/",
        "HTTPS://EXAMPLE.COM/",
        "https://bücher.example/",
    ],
)
def test_an_https_url_on_a_web_port_may_be_posted_to(url: str) -> None:
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "/hook",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "unix:///run/docker.sock",
        "https://",
        "https:///hook",
        "https://?x",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://:pass@example.com/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:0/",
        "https://example.com:1023/",
        "https://example.com:65536/",
        "https://example.com:-1/",
        "https://example.com:port/",
        "https://[::1/",
        "https://[not-an-address]/",
        "https://example.com/a b",
        "https://example.com/é",
        "https://example.com/a\tb",
        "https://exam\tple.com/",
        "https://example.com/\r\nx: y",
        " https://example.com/",
    ],
)
def test_any_other_url_is_refused_in_words_that_quote_nothing_of_it(url: str) -> None:
    fault = url_fault(url)
    assert fault
    assert "example" not in fault
    assert "pass@" not in fault


def test_plain_http_is_for_development_only() -> None:
    assert url_fault("http://127.0.0.1:8080/hook") == "scheme is not https"
    assert url_fault("http://127.0.0.1:8080/hook", allow_loopback=True) is None
    assert url_fault("ftp://127.0.0.1:8080/hook", allow_loopback=True) == "scheme is not https"
