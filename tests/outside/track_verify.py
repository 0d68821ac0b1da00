#!/usr/bin/env python3
"""Checks tracked mail with another parser: Python's `email` and `html.parser`, nothing else.

    cargo run --release -p postbell-mail --example track -- --write OUT
    python3 tests/outside/track_verify.py OUT

OUT has each message before and after. Every link that was tracked must lead back to the very
address that it had, every other must be as it was, and so must all else: headers, other parts,
and the pages but for addresses and one pixel. What should be tracked is decided here again, from
the rules in docs/tracking.md.
"""

import base64
import email
import email.policy
import html
import html.parser
import re
import sys
from pathlib import Path
from urllib.parse import urljoin

LINK = re.compile(r"https://t\.example/c/\d+/([A-Za-z0-9_-]+)\Z")
PIXEL = "https://t.example/o/1?a=b&c=d"
UNSUBSCRIBE = "https://t.example/u/1?a=b&c=d"
PLACEHOLDER = re.compile(r"((?<![a-z0-9+.-])https?://)?(\{\{|%7B%7B)\s*postbell\.unsubscribe_url\s*(\}\}|%7D%7D)", re.I)
LEFTOVER = re.compile(r"\{\{.*\}\}|\{%.*%\}|%%.*%%|\[\[.*\]\]|\*\|.*\|\*|<%.*%>|%7b%7b.*%7d%7d", re.I | re.S)
REFERENCE = re.compile(r"&(?:#(?:x[0-9a-f]+|[0-9]+);?|[a-z0-9]+;?)", re.I)
CONDITION = re.compile(r"\s*\[if[^\]]*\]>(.*)\Z", re.I | re.S)
RAW_TEXT = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript")


def value_of(written):
    """The value of an attribute, as the HTML standard says; older versions of `html.parser` take
    `&copy=1` for a sign."""

    def character(match):
        name, after = match[0], written[match.end() : match.end() + 1]
        if name.endswith(";") or name.startswith("&#"):
            return html.unescape(name)
        if after == "=" or after.isalnum() or name[1:] not in html.entities.html5:
            return name
        return html.unescape(name + ";")

    return REFERENCE.sub(character, written.replace("\0", "\ufffd"))


html.parser.unescape = value_of
html.parser._unescape_attrvalue = value_of


class Page(html.parser.HTMLParser):
    """The tags of a page, those in conditional comments included, and its base."""

    def __init__(self, text, depth=0):
        super().__init__(convert_charrefs=False)
        self.CDATA_CONTENT_ELEMENTS = RAW_TEXT
        self.tags, self.base, self.depth = [], None, depth
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        first = {}
        for name, value in attributes:
            first.setdefault(name, value)
        self.tags.append((tag, first))
        if tag == "base" and self.base is None and "href" in first and not self.depth:
            self.base = first["href"]

    def handle_comment(self, data):
        condition = CONDITION.match(data)
        if condition and not self.depth:
            inside = condition[1].rpartition("<![")[0] or condition[1]
            self.tags += Page(inside, 1).tags


def stripped(address):
    return re.sub(r"[\t\r\n]", "", (address or "").strip("".join(map(chr, range(33)))))


def is_web(address):
    return re.match(r"https?://[^/\\?#]", address, re.I) is not None


def target(address, base):
    """Where a link leads that is to be tracked; None for others."""
    address = stripped(address)
    if LEFTOVER.search(address) or re.search("[\0-\x1f\x7f\ufffd]", address):
        return None
    if is_web(address):
        return address
    has_scheme = re.match(r"[a-z][a-z0-9+.-]*:", address, re.I)
    if not base or not address or address.startswith("#") or has_scheme:
        return None
    joined = urljoin(base, address)
    return joined if is_web(joined) else None


def check_page(before, after, listed, has_pixel):
    """The faults of a page, and how many links were tracked in it."""
    old, new = Page(PLACEHOLDER.sub(UNSUBSCRIBE, before)), Page(after)
    base = target(old.base, None)
    pixels = [first for tag, first in new.tags if tag == "img" and first.get("src") == PIXEL]
    new.tags = [(tag, first) for tag, first in new.tags if first not in pixels]
    faults = []
    if len(pixels) != has_pixel:
        faults.append(f"{len(pixels)} pixels")
    if len(old.tags) != len(new.tags):
        return [*faults, f"{len(old.tags)} tags were {len(new.tags)}"], 0
    tracked = 0
    for (tag, was), (_, now) in zip(old.tags, new.tags):
        href, link = was.get("href"), LINK.match(now.get("href") or "")
        wanted = target(href, base) if tag in ("a", "area") or tag.startswith("v:") else None
        is_kept = "data-postbell-no-track" in was or wanted in listed or wanted == UNSUBSCRIBE
        if wanted and not is_kept:
            tracked += 1
            if not link:
                faults.append(f"not tracked: {href!r}")
            elif base64.urlsafe_b64decode(link[1] + "==").decode() != wanted:
                faults.append(f"leads elsewhere: {href!r}")
            was, now = {**was, "href": ""}, {**now, "href": ""}
        if was != now:
            faults.append(f"<{tag}> {was} was {now}")
    return faults, tracked


def leaves(message):
    """All that is no multipart, with what it is in. Forwarded messages are not entered."""
    stack = [(message, False)]
    while stack:
        part, is_signed = stack.pop()
        yield part, is_signed
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            is_signed |= part.get_content_subtype() in ("signed", "encrypted")
            stack += [(child, is_signed) for child in part.get_payload()]


def is_page(part):
    is_html = part.get_content_type() in ("text/html", "text/x-amp-html")
    is_file = part.get_filename() or part.get_content_disposition() not in (None, "inline")
    encoding = str(part.get("Content-Transfer-Encoding", "")).lower()
    is_known = encoding in ("", "7bit", "8bit", "quoted-printable", "base64")
    is_clear = len(part.get_all("Content-Type")) == 1 if part.get("Content-Type") else True
    is_ascii = not str(part.get_content_charset("")).startswith("utf-16")
    return is_html and not is_file and is_known and is_clear and is_ascii


def text_of(part):
    octets = part.get_payload(decode=True)
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return octets.decode("utf-8", "replace")


def check(before, after):
    """The faults of a message, and how many links and pixels it has."""
    old, new = (email.message_from_bytes(raw, policy=email.policy.compat32) for raw in (before, after))
    listed = [stripped(address) for address in re.findall("<([^>]*)>", str(old.get("List-Unsubscribe", "")))]
    faults, links, pixels = [], 0, 0
    pairs = list(zip(leaves(old), leaves(new)))
    if len(pairs) != len(list(leaves(new))):
        return ["the parts are others"], 0, 0
    for (was, is_signed), (now, _) in pairs:
        if was.items() != now.items():
            faults.append("a header is another")
        if was.is_multipart() or (was.get_payload() == now.get_payload()):
            is_same = was.is_multipart() or is_signed or not is_page(was)
            if not is_same and check_page(text_of(was), text_of(now), listed, 0)[1]:
                faults.append("a page is as it was")
            if was.is_multipart() and was.get_content_maintype() == "message":
                if was.as_bytes() != now.as_bytes():
                    faults.append("a forwarded message is another")
            continue
        if is_page(was) and not is_signed:
            has_pixel = PIXEL in html.unescape(text_of(now))
            found, tracked = check_page(text_of(was), text_of(now), listed, int(has_pixel))
            faults, links, pixels = faults + found, links + tracked, pixels + has_pixel
        elif was.get_content_type() == "text/plain" and not is_signed:
            if PLACEHOLDER.sub(UNSUBSCRIBE, text_of(was)) != text_of(now):
                faults.append("plain text is other")
        else:
            faults.append(f"{was.get_content_type()} is other")
    return faults, links, pixels


def main(folder):
    files = sorted(Path(folder).glob("*.before"))
    links = pixels = wrong = 0
    for file in files:
        after = file.with_suffix(".after")
        faults, tracked, seen = check(file.read_bytes(), after.read_bytes())
        links, pixels, wrong = links + tracked, pixels + seen, wrong + bool(faults)
        for fault in faults:
            print(f"{file.stem}: {fault}")
    print(f"{len(files)} messages, {links} tracked links, {pixels} pixels, {wrong} messages with faults")
    return 1 if wrong or not links else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
