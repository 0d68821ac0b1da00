"""Tracked mail at a Postfix: its links lead back to the very addresses, a browser shows it as it was,
and what is opened, clicked and unsubscribed becomes events. The browser is a headless Chromium, which
also looks for a way into the page of unsubscribing."""

import email
import email.policy
import html
import html.parser
import http.client
import re
import subprocess
import tempfile
import urllib.parse
from email.message import EmailMessage
from pathlib import Path

from track_verify import target
from world import RECIPIENTS, SENDER, Case, find, wait

DOMAIN = SENDER.partition("@")[2]
ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared/corpora/html"
FIXTURES = ROOT / "fixtures/track"
# Two of each maker's, as long as there are not so many.
NEWSLETTERS = 10
# Of our own: the page ends within centred text, where a pixel in the line would move it.
OWN = ("centred.eml", "no-body.eml")
# What a browser paints; no page may be higher.
WINDOW = 12_000
OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND",)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PAGE = """<html><body><p>Dear Ann,</p>
<p><a href="https://shop.example/offer?a=1&amp;b=ä">The offer</a> and
<a href="https://shop.example/plain" data-postbell-no-track>a plain link</a></p>
<p><a href="{{postbell.unsubscribe_url}}">Unsubscribe</a></p></body></html>
"""
OFFER = "https://shop.example/offer?a=1&b=%C3%A4"


class Tracked(Case):
    looked_at = None

    def test_tracked_newsletters(self):
        """Every link of a page is followed, and the page is looked at before and after."""
        pages, others = own(), newsletters()
        for number, page in enumerate(pages + others):
            subject = f"Newsletter {number}"
            after = self.sent("news", subject, page)
            self.check_links(page, after)
            self.check_looks(page, after)
        Tracked.looked_at = f"{len(pages)} pages of our own and {len(others)} newsletters"
        if not others:
            self.skipTest(f"{CORPUS} is not there, only our own pages were looked at")

    def test_tracked_opens_and_clicks(self):
        to = f"reader@{RECIPIENTS}"
        page = self.sent("reader", "To be read", PAGE)
        click, plain, unsubscribe = hrefs(page)
        self.assertEqual(plain, "https://shop.example/plain")
        self.assertIn("/u/", unsubscribe)
        answer = self.get(click)
        self.assertEqual((answer.status, answer.getheader("location")), (302, OFFER))
        pixel = self.get(html.unescape(re.search(r'<img[^>]+src="([^"]+/o/[^"]+)"', page)[1]))
        self.assertEqual((pixel.status, pixel.getheader("content-type")), (200, "image/gif"))
        self.assertIn("no-store", pixel.getheader("cache-control"))
        _, _, document = self.world.receiver.wait_for("Click", to)
        self.assertEqual(document["click"]["link"], "https://shop.example/offer?a=1&b=ä")
        self.assertEqual(document["click"]["machine"], False)
        self.assertEqual(document["click"]["count"], 1)
        _, _, document = self.world.receiver.wait_for("Open", to)
        self.assertEqual(document["open"]["userAgent"], BROWSER)
        forged = click[:-1] + ("A" if click[-1] != "A" else "B")
        self.assertEqual(self.get(forged).status, 404)

    def test_tracked_unsubscribe_by_one_click(self):
        """As a mail program does it (RFC 8058 §3.1); the next mail is not sent."""
        to = f"leaver@{RECIPIENTS}"
        self.submit(self.mail("leaver", "To be left", PAGE, ("Unsubscribe", "yes")))
        mail = self.arrived("leaver", "To be left")
        self.assertEqual(mail["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        url = re.search(r"<(https?://[^>]+)>", str(mail["List-Unsubscribe"]))[1]
        # Scanners fetch links: nobody is unsubscribed by that.
        self.assertEqual(self.get(url).status, 200)
        answer = self.post(url, "List-Unsubscribe=One-Click")
        self.assertEqual(answer.status, 200)
        _, _, document = self.world.receiver.wait_for("Unsubscribe", to)
        self.assertEqual(document["unsubscribe"]["method"], "one-click")
        self.submit(self.mail("leaver", "Not sent", PAGE))
        _, _, document = self.world.receiver.wait_for("Reject", to)
        self.assertEqual(document["reject"]["reason"], "address on suppression list")
        self.assertEqual(len(self.world.receiver.told("Unsubscribe", to)), 1)
        self.assertIsNone(find(self.world.hosts[RECIPIENTS], to, "Not sent"))

    def test_tracked_unsubscribe_by_the_page(self):
        """In a browser, without JavaScript of ours: the page, its button, and the page behind it."""
        self.need("chromium")
        postbell = self.world.postbell
        brand = 'Ann\'s "Shop" <script>document.title="XSS"</script>'
        postbell.command("domain", "update", DOMAIN, "--brand-name", brand)
        page = self.sent("pageful", "By the page", PAGE)
        url = hrefs(page)[2]
        # A running server sees a change of a domain a moment later.
        dom = wait(lambda: branded(chromium("--dump-dom", url)), "brand on the page")
        self.assertNotIn("<script", dom.lower())
        self.assertNotIn("<title>XSS", dom)
        self.assertIn("&lt;script&gt;", dom)
        self.assertRegex(dom, r"<html[^>]* lang=")
        form = re.search(r"<form[^>]*>(.*?)</form>", dom, re.S)
        fields = dict(re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form[1]))
        fields |= dict(re.findall(r'<button[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form[1]))
        self.assertFalse(self.world.receiver.told("Unsubscribe", f"pageful@{RECIPIENTS}"))
        answer = self.post(url, urllib.parse.urlencode(fields))
        self.assertEqual(answer.status, 200)
        _, _, document = self.world.receiver.wait_for("Unsubscribe", f"pageful@{RECIPIENTS}")
        self.assertEqual(document["unsubscribe"]["method"], "link")

    def sent(self, user, subject, page):
        """A page as it arrived, tracked."""
        self.submit(self.mail(user, subject, page))
        mail = self.arrived(user, subject)
        return mail.get_body(("html",)).get_content().replace("\r\n", "\n")

    def mail(self, user, subject, page, *asked):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = SENDER, f"{user}@{RECIPIENTS}", subject
        for name, value in (("Track-Opens", "yes"), ("Track-Clicks", "yes"), *asked):
            mail[f"X-Postbell-{name}"] = value
        mail.set_content("What the page says, in words.\n")
        mail.add_alternative(page, subtype="html", charset="utf-8", cte="base64")
        return mail

    def arrived(self, user, subject):
        host, to = self.world.hosts[RECIPIENTS], f"{user}@{RECIPIENTS}"
        return wait(lambda: find(host, to, subject), f"{subject} for {to}")

    def check_links(self, before, after):
        was, now = Page(before), Page(after)
        self.assertEqual(len(was.links), len(now.links))
        followed = 0
        for old, new in zip(was.links, now.links):
            wanted = target(old, was.base)
            if wanted is None or old == new:
                self.assertEqual(old, new)
                continue
            answer = self.get(new)
            self.assertEqual(answer.status, 302, old)
            location = answer.getheader("location")
            self.assertEqual(plain(location), plain(wanted))
            followed += 1
        self.assertGreater(followed, 0)

    def check_looks(self, before, after):
        self.need("chromium")
        with tempfile.TemporaryDirectory() as folder:
            self.assertLess(height(Path(folder), before), WINDOW, "the end of the page is not seen")
            shots = [shot(Path(folder), name, page) for name, page in (("a", before), ("b", after))]
        self.assertEqual(*shots, "the page looks other than before")

    def get(self, url):
        return self.request("GET", url)

    def post(self, url, body):
        return self.request("POST", url, body)

    def request(self, method, url, body=None):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        headers = {"User-Agent": BROWSER}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, f"{parts.path}?{parts.query}".rstrip("?"), body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


class Page(html.parser.HTMLParser):
    """The links of a page in their order, and its base."""

    def __init__(self, text):
        super().__init__()
        self.links, self.base = [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        href = dict(attributes).get("href")
        if tag in ("a", "area") and href is not None:
            self.links.append(href)
        elif tag == "base" and href and self.base is None:
            self.base = href


def branded(dom):
    return dom if "Ann's" in dom else None


def hrefs(page):
    return Page(page).links


def plain(url):
    """A browser encodes what is not ASCII, in a host otherwise than behind it: both name the same."""
    url = urllib.parse.unquote(url.replace("\t", "").strip(), errors="surrogateescape")
    scheme, rest = url.split("://", 1)
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.encode('idna').decode()}{slash}{path}"


def own():
    """Pages of our fixtures."""
    mails = (FIXTURES / name for name in OWN)
    policy = email.policy.default
    mails = (email.message_from_bytes(file.read_bytes(), policy=policy) for file in mails)
    return [mail.get_body(("html",)).get_content() for mail in mails]


def newsletters():
    pages = []
    for maker in sorted(CORPUS.glob("*/")):
        files = sorted(maker.rglob("*.html"))
        texts = (file.read_text("utf-8", "replace") for file in files)
        pages += [text for text in texts if re.search('<a [^>]*href="http', text)][:2]
    # A part is base64, so that lines and octets are none of a mail's concern.
    return [page.replace("\r\n", "\n") for page in pages][:NEWSLETTERS]


def shot(folder, name, page):
    """What a page looks like, without a network. Its links don't show, nor does the pixel."""
    file, image = folder / f"{name}.html", folder / f"{name}.png"
    file.write_text(page, "utf-8")
    chromium(
        "--hide-scrollbars", "--virtual-time-budget=3000", f"--window-size=800,{WINDOW}",
        *OFFLINE, f"--screenshot={image}", f"file://{file}",
    )  # fmt: skip
    return image.read_bytes()


def height(folder, page):
    """How high a page is, as a page around it sees it."""
    file, frame = folder / "height.html", folder / "page.html"
    frame.write_text(page, "utf-8")
    script = "document.title = frames[0].document.documentElement.scrollHeight"
    file.write_text(
        f'<body onload="{script}"><iframe src="page.html" width="800" height="100" '
        'style="border:0"></iframe></body>'
    )
    dom = chromium(
        "--virtual-time-budget=3000", "--allow-file-access-from-files", *OFFLINE,
        "--dump-dom", f"file://{file}",
    )  # fmt: skip
    return int(re.search(r"<title>(\d+)</title>", dom)[1])


def chromium(*words):
    command = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", *words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
