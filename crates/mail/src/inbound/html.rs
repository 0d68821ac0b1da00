//! HTML as text, as a reader would see it (no more than that: nothing is checked or repaired).
//!
//! What is quoted is marked as in plain text, so that the same rules find it there. One pass, no
//! recursion.

/// Quotes within quotes that are told apart.
const QUOTES_MAX: usize = 20;

/// The text of a document.
pub fn to_text(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (text, tag) = rest.split_at(open);
        page.text(text);
        rest = if tag.starts_with("<!--") {
            tag.split_once("-->").map_or("", |(_, after)| after)
        } else {
            page.tag_at(tag)
        };
    }
    page.text(rest);
    page.finish()
}

#[derive(Default)]
struct Page {
    out: String,
    line: String,
    quotes: usize,
    is_preformatted: bool,
    /// Whether white space is to come before the next word.
    has_gap: bool,
}

impl Page {
    /// Reads the tag that `rest` begins with; what follows it.
    fn tag_at<'a>(&mut self, rest: &'a str) -> &'a str {
        let name_end = rest
            .char_indices()
            .skip(1)
            .find(|(at, c)| {
                !(c.is_ascii_alphanumeric() || (*at == 1 && matches!(c, '/' | '!' | '?')))
            })
            .map_or(rest.len(), |(at, _)| at);
        let name = rest.get(1..name_end).unwrap_or_default();
        if name.is_empty() {
            self.text("<");
            return rest.get(1..).unwrap_or_default();
        }
        let after = end_of_tag(rest, name_end);
        let tag = rest.get(..rest.len() - after.len()).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "script" | "style" | "title" => return skip_to(after, &name),
            "br" | "br/" => self.end_line(),
            "hr" => self.rule(),
            "blockquote" => self.quote(true),
            "/blockquote" => self.quote(false),
            "pre" => self.preformatted(true),
            "/pre" => self.preformatted(false),
            "p" | "/p" | "h1" | "h2" | "h3" | "h4" | "/h1" | "/h2" | "/h3" | "/h4" | "/table"
            | "ul" | "/ul" | "ol" | "/ol" => self.paragraph(),
            "div" if is_forward_header(tag) => self.rule(),
            "div" | "/div" | "tr" | "/tr" | "/li" | "table" | "dt" | "dd" | "body" | "/body" => {
                self.end_text();
            }
            "li" => {
                self.end_text();
                self.line.push_str("* ");
            }
            "td" | "/td" | "th" => self.has_gap = true,
            _ => {}
        }
        after
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = entities(text);
        if self.is_preformatted {
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    self.end_line();
                }
                self.line.push_str(line.trim_end_matches('\r'));
            }
            return;
        }
        for word in text.split_inclusive([' ', '\t', '\r', '\n']) {
            let trimmed = word.trim_end_matches([' ', '\t', '\r', '\n']);
            if !trimmed.is_empty() {
                if self.has_gap && !self.line.is_empty() {
                    self.line.push(' ');
                }
                self.line.push_str(&trimmed.replace('\u{a0}', " "));
                self.has_gap = false;
            }
            self.has_gap |= trimmed.len() < word.len();
        }
    }

    fn end_text(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        for _ in 0..self.quotes {
            self.out.push_str("> ");
        }
        let line = std::mem::take(&mut self.line);
        self.out.push_str(line.trim_end());
        self.out.push('\n');
        self.has_gap = false;
    }

    fn paragraph(&mut self) {
        self.end_text();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.end_line();
        }
    }

    fn rule(&mut self) {
        self.end_text();
        self.line.push_str("________________________________");
        self.end_line();
    }

    fn quote(&mut self, opens: bool) {
        self.end_text();
        self.quotes = if opens {
            (self.quotes + 1).min(QUOTES_MAX)
        } else {
            self.quotes.saturating_sub(1)
        };
    }

    fn preformatted(&mut self, opens: bool) {
        self.end_text();
        self.is_preformatted = opens;
    }

    fn finish(mut self) -> String {
        self.end_text();
        self.out
    }
}

/// What Outlook and others put before the header of the message that is answered.
fn is_forward_header(tag: &str) -> bool {
    let marks = [
        "divRplyFwdMsg",
        "OLK_SRC_BODY_SECTION",
        "border-top:solid #",
    ];
    marks.iter().any(|mark| tag.contains(mark))
}

/// What follows the `>` that ends the tag, outside of quotes; or the next tag, where that comes
/// before it.
fn end_of_tag(tag: &str, from: usize) -> &str {
    let rest = tag.get(from..).unwrap_or_default();
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return rest.get(at + 1..).unwrap_or_default(),
            (_, '<') => return rest.get(at..).unwrap_or_default(),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    ""
}

/// What follows the end of an element that is not shown.
fn skip_to<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut at = rest;
    while let Some(open) = at.find("</") {
        at = at.get(open + 2..).unwrap_or_default();
        let here = at.get(..name.len());
        if here.is_some_and(|here| here.eq_ignore_ascii_case(name)) {
            return at.split_once('>').map_or("", |(_, after)| after);
        }
    }
    ""
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        let window = entity.char_indices().take(12).find(|(_, c)| *c == ';');
        let name = window.and_then(|(end, _)| entity.get(1..end));
        match name.and_then(|name| Some((name, named(name)?))) {
            Some((name, c)) => {
                out.push(c);
                rest = entity.get(name.len() + 2..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = entity.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn named(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control() || *c == '\n');
    }
    const NAMES: [(&str, char); 31] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("auml", 'ä'),
        ("ouml", 'ö'),
        ("uuml", 'ü'),
        ("Auml", 'Ä'),
        ("Ouml", 'Ö'),
        ("Uuml", 'Ü'),
        ("szlig", 'ß'),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("ecirc", 'ê'),
        ("agrave", 'à'),
        ("aacute", 'á'),
        ("acirc", 'â'),
        ("ccedil", 'ç'),
        ("iacute", 'í'),
        ("oacute", 'ó'),
        ("uacute", 'ú'),
        ("ntilde", 'ñ'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("rsquo", '’'),
        ("lsquo", '‘'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("hellip", '…'),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, c)| *c)
}
