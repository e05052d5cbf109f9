"""The first bytes of files, each with what it is."""

import io
import zipfile


def zipped(*names: str, first: tuple[str, bytes] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        if first:
            archive.writestr(first[0], first[1])
        for name in names:
            archive.writestr(name, b"content")
    return made.getvalue()


def office(kind: str, part: str, method: int = zipfile.ZIP_STORED) -> bytes:
    """An Office document that names its main part beyond what is looked at; stored as it is, as some programs do it."""
    more = "".join(f'<Override PartName="/x{place}.xml" ContentType="application/xml"/>' for place in range(90))
    types = f'<Types><Override PartName="/{part}" ContentType="{kind}.main+xml"/>{more}</Types>'
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, text in (("[Content_Types].xml", types), ("customXml/item1.xml", "<x/>" * 2_000), (part, "<x/>")):
            archive.writestr(name, text)
    return made.getvalue()


def brand(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0" * 64


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"\xff\xdb\0C\0" + b"\x08" * 64
GIF = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 32
OOXML = "application/vnd.openxmlformats-officedocument."
SVG = b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>'
EBML = b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82"
WITH_MACROS = (
    "ms-word.template.macroEnabled", "ms-excel.sheet.macroEnabled", "ms-excel.template.macroEnabled", "ms-excel.addin.macroEnabled",
    "ms-excel.sheet.binary.macroEnabled", "ms-powerpoint.presentation.macroEnabled", "ms-powerpoint.slideshow.macroEnabled",
)  # fmt: skip
TAR = b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 100

SAMPLES: list[tuple[str, bytes]] = [
    ("image/jpeg", JPEG),
    ("image/jpeg", b"\xff\xd8\xff\xe1\x1c\x45Exif\0\0II*\0" + b"\0" * 60),
    ("image/png", PNG),
    ("image/apng", PNG[:33] + b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0" + b"\0" * 32),
    ("image/gif", GIF),
    ("image/gif", GIF.replace(b"89a", b"87a")),
    ("image/webp", WEBP),
    ("image/avif", brand(b"avif", b"mif1", b"miaf")),
    ("image/avif", brand(b"mif1", b"avif", b"miaf")),
    ("image/avif", brand(b"avis", b"msf1")),
    ("image/heic", brand(b"heic", b"mif1", b"heic")),
    ("image/heic", brand(b"mif1", b"heic")),
    ("image/heif", brand(b"mif1", b"miaf")),
    ("image/x-canon-cr3", brand(b"crx ", b"isom")),
    ("image/bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0" + b"\0" * 32),
    ("image/tiff", b"II*\0\x08\0\0\0" + b"\0" * 32),
    ("image/tiff", b"MM\0*\0\0\0\x08" + b"\0" * 32),
    ("image/x-icon", b"\0\0\x01\0\x01\0\x10\x10" + b"\0" * 32),
    ("image/vnd.adobe.photoshop", b"8BPS\0\x01" + b"\0" * 32),
    ("image/jxl", b"\xff\x0a\xfa\x1f" + b"\0" * 16),
    ("image/jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 16),
    ("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 " + b"\0" * 16),
    ("image/qoi", b"qoif\0\0\0\x01" + b"\0" * 16),
    ("image/x-exr", b"\x76\x2f\x31\x01\x02\0\0\0" + b"\0" * 16),
    ("image/vnd.ms-dds", b"DDS |\0\0\0" + b"\0" * 16),
    ("image/svg+xml", SVG),
    ("image/svg+xml", b'<svg width="1" height="1"/>'),
    ("video/mp4", brand(b"isom", b"iso2", b"mp41")),
    ("video/mp4", brand(b"mp42", b"mp42")),
    ("video/quicktime", brand(b"qt  ")),
    ("video/x-m4v", brand(b"M4V ", b"mp42")),
    ("video/3gpp", brand(b"3gp4", b"isom")),
    ("video/webm", EBML + b"\x84webm" + b"\0" * 32),
    ("video/webm", EBML + b"\x84webm\x86\x86A_OPUS\x86\x85V_VP9" + b"\0" * 32),
    ("audio/webm", EBML + b"\x84webm\x86\x86A_OPUS" + b"\0" * 32),
    ("video/x-matroska", EBML + b"\x88matroska" + b"\0" * 32),
    ("video/x-msvideo", b"RIFF\x24\0\0\0AVI LIST" + b"\0" * 32),
    ("video/x-flv", b"FLV\x01\x05\0\0\0\x09" + b"\0" * 32),
    ("video/mpeg", b"\0\0\x01\xba\x44" + b"\0" * 32),
    ("audio/mpeg", b"ID3\x03\0\0\0\0\0\x0f" + b"\0" * 32),
    ("audio/mpeg", b"\xff\xfb\x90\x64" + b"\0" * 32),
    ("audio/mp4", brand(b"M4A ", b"isom")),
    ("audio/x-wav", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 32),
    ("audio/x-flac", b"fLaC\0\0\0\x22" + b"\0" * 32),
    ("audio/ogg", b"OggS\0\x02" + b"\0" * 32),
    ("audio/ogg", b"OggS\0\x02" + b"\0" * 20 + b"\x01\x13OpusHead\x01\x02" + b"\0" * 9),
    ("video/ogg", b"OggS\0\x02" + b"\0" * 20 + b"\x01\x2a\x80theora\x03\x02\x01" + b"\0" * 32),
    ("audio/midi", b"MThd\0\0\0\x06" + b"\0" * 32),
    ("audio/amr", b"#!AMR\n\x3c\x55\0\xf1" * 8),
    ("audio/x-aiff", b"FORM\0\0\0\0AIFF" + b"\0" * 32),
    ("application/pdf", PDF),
    ("application/pdf", b"\xef\xbb\xbf\n" + PDF),
    ("application/zip", zipped("a.txt", "b/c.txt")),
    (f"{OOXML}wordprocessingml.document", zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")),
    (f"{OOXML}wordprocessingml.document", zipped("_rels/.rels", "word/document.xml", "[Content_Types].xml")),
    (f"{OOXML}spreadsheetml.sheet", zipped("[Content_Types].xml", "xl/workbook.xml")),
    (f"{OOXML}presentationml.presentation", zipped("[Content_Types].xml", "ppt/presentation.xml")),
    (f"{OOXML}wordprocessingml.document", office(f"{OOXML}wordprocessingml.document", "word/document.xml")),
    (
        f"{OOXML}wordprocessingml.document",
        office(f"{OOXML}wordprocessingml.document", "word/document.xml", zipfile.ZIP_DEFLATED),
    ),
    (f"{OOXML}spreadsheetml.sheet", office(f"{OOXML}spreadsheetml.sheet", "xl/workbook.xml")),
    (
        "application/vnd.ms-word.document.macroenabled.12",
        office("application/vnd.ms-word.document.macroEnabled", "word/document.xml"),
    ),
    ("application/epub+zip", zipped("META-INF/container.xml", first=("mimetype", b"application/epub+zip"))),
    (
        "application/vnd.oasis.opendocument.text",
        zipped("content.xml", first=("mimetype", b"application/vnd.oasis.opendocument.text")),
    ),
    ("application/java-archive", zipped("META-INF/MANIFEST.MF", "A.class")),
    ("application/vnd.android.package-archive", zipped("AndroidManifest.xml", "classes.dex")),
    ("application/gzip", b"\x1f\x8b\x08\0\0\0\0\0" + b"\0" * 32),
    ("application/x-bzip2", b"BZh91AY&SY" + b"\0" * 32),
    ("application/x-xz", b"\xfd7zXZ\0\0\x04" + b"\0" * 32),
    ("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c\0\x04" + b"\0" * 32),
    ("application/x-rar-compressed", b"Rar!\x1a\x07\x01\0" + b"\0" * 32),
    ("application/x-tar", TAR),
    ("application/rtf", rb"{\rtf1\ansi hello}"),
    ("application/x-sqlite3", b"SQLite format 3\0" + b"\0" * 32),
    ("application/vnd.apache.parquet", b"PAR1\x15\x04" + b"\0" * 32),
    ("model/gltf-binary", b"glTF\x02\0\0\0" + b"\0" * 32),
    ("font/woff2", b"wOF2\0\x01\0\0" + b"\0" * 32),
    ("application/x-msdownload", b"MZ\x90\0\x03\0\0\0" + b"\0" * 64),
    ("application/x-executable", b"\x7fELF\x02\x01\x01" + b"\0" * 64),
    ("application/x-mach-binary", b"\xcf\xfa\xed\xfe\x07\0\0\x01" + b"\0" * 64),
    ("application/java-vm", b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 64),
    ("application/vnd.android.dex", b"dex\n035\0" + b"\0" * 64),
    ("application/wasm", b"\0asm\x01\0\0\0" + b"\0" * 16),
    ("application/x-ms-shortcut", b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F" + b"\0" * 64),
    ("text/x-shellscript", b"#!/bin/sh\nrm -rf /\n"),
    ("application/x-httpd-php", b"<?php system($_GET['c']); ?>"),
    ("text/html", b"<!DOCTYPE html>\n<title>hello</title>"),
    ("text/html", b"\xef\xbb\xbf  \n<HTML><body onload=alert(1)>"),
    ("text/html", b"<!-- a comment --><script>alert(1)</script>"),
    ("application/xml", b'<?xml version="1.0"?><feed/>'),
    ("application/x-pem-file", b"-----BEGIN CERTIFICATE-----\nMIIB\n"),
    ("text/calendar", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"),
    ("text/vcard", b"BEGIN:VCARD\r\nVERSION:4.0\r\n"),
    ("text/plain", "Grüße, 写真 🙂\n".encode()),
    ("text/plain", b"a,b,c\n1,2,3\n"),
    ("text/plain", b'{"a": 1}'),
    ("text/plain", b"BMW is a car"),
    ("text/plain", b"MZ,Mozambique\nZA,South Africa\n"),
    ("text/plain", b"GIF=1;alert(1)"),
    ("text/plain", b"ID3 tags and FWS, explained"),
    ("text/plain", "\ufeffName;Ort\r\nMüller;Köln\r\n".encode("utf-16-le")),
    ("text/plain", "\ufeffName;Ort\r\n🙂".encode("utf-16-be")[:-1]),
    ("text/html", "\ufeff<html><script>alert(1)</script>".encode("utf-16-le")),
    ("image/tiff", b"II+\0\x08\0\0\0\x10" + b"\0" * 32),
    ("image/tiff", b"MM\0+\0\x08\0\0" + b"\0" * 32),
    ("audio/mpeg", b"\xff\xfa\x90\x64" + b"\0" * 32),
    ("audio/x-wav", b"RF64\xff\xff\xff\xffWAVEds64" + b"\0" * 32),
    ("audio/x-aiff", b"FORM\0\0\1\0AIFCFVER" + b"\0" * 32),
    ("video/quicktime", b"\0\0\x10\0moov\0\0\0\x6cmvhd" + b"\0" * 32),
    ("video/quicktime", b"\0\0\0\x08wide\0\1\0\0mdat" + b"\0" * 32),
    ("text/plain", b"the wide sea"),
    *((f"application/vnd.{kind}.12".lower(), office(f"application/vnd.{kind}", "x.xml")) for kind in WITH_MACROS),
    (
        "application/vnd.ms-word.document.macroenabled.12",
        zipped("_rels/.rels", "word/document.xml", "word/vbaProject.bin"),
    ),
    ("application/vnd.ms-excel.sheet.macroenabled.12", zipped("[Content_Types].xml", "xl/vbaProject.bin")),
    (
        "application/vnd.ms-word.document.macroenabled.12",
        zipped("word/own-name.bin", first=("word/document.xml", b"<x/>"))
        + office("application/vnd.ms-word.document.macroEnabled", "x.xml"),
    ),
    ("application/octet-stream", b"\xff\xfe\x00\xd8\x41\x00"),
    ("application/octet-stream", b"\0\x01\x02\x03\x04\x05"),
    ("application/octet-stream", b"caf\xe9 in another encoding, perhaps"),
]

RUNNING: list[tuple[str, bytes]] = [
    ("a script behind a prefix", b'<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>'),
    ("a long handler", b'<g onwebkitanimationiteration="alert(1)"/>'),
    ("a link in references", b'<a href="java&#115;cript:alert(1)"/>'),
    ("a link on two lines", b'<a href="java\nscript:alert(1)"/>'),
    ("an animated link", b'<a><set attributeName="xlink:href" to="x"/></a>'),
    (
        "an animated link whose name is in references",
        b'<a><animate attributeName="&#104;ref" values="&#106;avascript:a()"/></a>',
    ),
    ("a stylesheet", b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>'),
    ("a picture that may hold a script", b'<use href="data:image/svg+xml;base64,PHN2Zz4="/>'),
    ("letters that are switched", b"<scr\x1b(Bipt>alert(1)</scr\x1b(Bipt>"),
    ("a page behind a prefix", b'<h:iframe xmlns:h="http://www.w3.org/1999/xhtml" src="x"/>'),
]
STILL: list[bytes] = [
    b'<a href="https://example.com/?a=1&amp;b=2"/>',
    b'<image href="data:image/png;base64,iVBORw0KGgo=\niVBO"/>',
    b"<text>on a day &#160; 1 &amp; 2</text>",
    b'<animate attributeName="opacity" from="0" to="1" dur="1s"/>',
    b"<style>.only { fill: red }</style>",
]
"""What may stand in an SVG."""

MIXED: list[tuple[str, str, bytes]] = [
    ("a GIF that is JavaScript", "image/gif", b"GIF89a/*\x01\0\x80\0\0*/=1;alert(1)//"),
    ("a GIF whose width begins a comment", "image/gif", b"GIF89a=/*\x01\x80\0\0,\0*/1;alert(1)//"),
    ("a GIF with a line that is a comment", "image/gif", b"GIF89a//\x01\0\x80\0\0,\0;\nvar GIF89a;alert(1)"),
    ("a GIF with a picture of markup", "image/gif", GIF[:-1] + b"!\xfe\x15<svg/onload=alert(1)>\0;"),
    ("a JPEG with a handler in its comment", "image/jpeg", JPEG + b"<img src=x onerror=alert(1)>"),
    ("a JPEG with a script of another form", "image/jpeg", JPEG + b"<script/x>alert(1)</script>"),
    ("a JPEG with a short tag of PHP", "image/jpeg", JPEG + b"<?=system($_GET[0])?>"),
    ("a JPEG with a tag of PHP's oldest form", "image/jpeg", JPEG + b"<? system($_GET[0]); ?>"),
    ("a JPEG that is a RAR", "image/jpeg", JPEG + b"Rar!\x1a\x07\0\xcf\x90\x73"),
    ("a GIF that is a 7z", "image/gif", GIF + b"7z\xbc\xaf\x27\x1c\0\4"),
    ("a film whose length begins a comment", "video/mp4", b"/*\0\0ftypisom\0\0\0\0isom*/alert(1)//"),
    ("a JPEG that is JavaScript", "image/jpeg", b"\xff\xd8\xff\xe0/*JFIF\0\x01*/=alert(1);"),
    ("a GIF with a script in its comment", "image/gif", GIF[:-1] + b"!\xfe\x1a<script>alert(1)</script>\0;"),
    ("a PNG with a page in its text chunk", "image/png", PNG + b"tEXt<html><body>hello"),
    ("a JPEG with PHP in its Exif data", "image/jpeg", JPEG + b"<?php system($_GET[0]); ?>"),
    ("a JPEG that is a PDF", "image/jpeg", JPEG + PDF),
    ("a GIF that is a JAR", "image/gif", GIF + zipped("META-INF/MANIFEST.MF")),
    ("a WebP with an SVG", "image/webp", WEBP + b"<svg onload=alert(1)>"),
    ("a WAV that is a page", "audio/x-wav", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 32 + b"<iframe src=x>"),
    ("a PDF behind a page", "application/pdf", b"hello <b>x</b>\0" + PDF),
    ("a text with a script", "text/plain", b"hello\n<script>alert(1)</script>"),
    ("a text with a handler", "text/plain", b"hello <img src=x onerror=alert(1)>"),
    ("a text with a link to a script", "text/plain", b"hello <a href='javascript:alert(1)'>"),
    ("a text in UTF-16 with a script", "text/plain", "\ufeffhello <script>alert(1)</script>".encode("utf-16-be")),
    ("an XHTML page", "application/xml", b"<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></x>"),
    ("an XHTML page without a declaration", "text/plain", b"<x xmlns:h='http://www.w3.org/1999/xhtml'><h:script>alert(1)</h:script></x>"),
    ("an XHTML page whose namespace is in references", "application/xml", b"<?xml version='1.0'?><x xmlns:h='http://www.w3.org/1999/xhtm&#108;'><h:script>alert(1)</h:script></x>"),
    ("an XML with a stylesheet", "application/xml", b"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='x'?><x/>"),
    *((f"an SVG with {what}", "image/svg+xml", SVG.replace(b"<circle", inner + b"<circle")) for what, inner in RUNNING),
    ("an SVG with a script", "image/svg+xml", SVG.replace(b"<circle", b"<script>alert(1)</script><circle")),
    ("an SVG with a handler", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" onload = "alert(1)"/>'),
    ("an SVG with a link to a script", "image/svg+xml", SVG.replace(b"<circle", b'<a href="javascript:alert(1)"/><circle')),
    ("an SVG with a foreign object", "image/svg+xml", SVG.replace(b"<circle", b"<foreignObject/><circle")),
]  # fmt: skip
