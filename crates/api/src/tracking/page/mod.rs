//! The pages: small, readable by everybody and everything (WCAG 2.2 AA), without scripts and
//! without anything that would have to be fetched.
//!
//! What is not ours (names, addresses) goes into them through [`html::Text`] alone, which escapes it. The
//! style stands in the page, and the policy that comes with it allows that one style by its hash and
//! nothing else.

mod colour;
mod html;
mod language;
mod words;

use data_encoding::BASE64;
use postbell_model::tracking::Colour;

use colour::text_on;
use html::Html;

pub(super) use language::Language;
use words::Words;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:10vh auto;padding:0 1.25rem}\
h1{font-size:1.6rem;line-height:1.25}\
p{overflow-wrap:anywhere}\
.brand{font-weight:600}\
button{font:inherit;font-weight:600;padding:.75rem 1.5rem;border:2px solid;border-radius:.5rem;\
cursor:pointer}\
button:focus-visible{outline:3px solid CanvasText;outline-offset:3px}";

/// The button's colour where a domain has none.
const BLUE: Colour = Colour(0x1a, 0x4f, 0xb5);

/// Whose mail it is, and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The sender's name.
    pub(super) brand: String,
    /// The colour of the button.
    pub(super) colour: Option<Colour>,
    /// The recipient.
    pub(super) address: String,
}

/// What a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying<'a> {
    /// Asks whether the recipient really wants no more.
    Question(&'a Subscription),
    /// It is done; whose it was, where that is known.
    Done(Option<&'a Subscription>),
    /// It was done before.
    Already(&'a Subscription),
    /// Nobody knows any more whose mail it was.
    Unknown,
    /// It did not work, and can be tried again.
    Trouble,
    /// An operator has blocked the link.
    Blocked,
    /// There is no such page.
    NotFound,
}

/// A page, and the policy that it comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) html: String,
    /// Content-Security-Policy.
    pub(super) policy: String,
    /// Content-Language.
    pub(super) language: &'static str,
}

/// Writes a page.
pub(super) fn page(saying: Saying<'_>, language: Language) -> Page {
    let words = language.words();
    let style = style(saying);
    let mut html = Html::default();
    html.raw("<!DOCTYPE html><html lang=\"");
    html.raw(words.tag);
    html.raw(
        "\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex, nofollow\"><title>",
    );
    let (title, text) = said(saying, words);
    html.text(title);
    html.raw("</title><style>");
    html.raw(&style);
    html.raw("</style></head><body><main><h1>");
    html.text(title);
    html.raw("</h1><p>");
    match subscription(saying) {
        Some(of) => html.filled(text, &[("{brand}", &of.brand), ("{address}", &of.address)]),
        None => html.text(text),
    }
    html.raw("</p>");
    if let Saying::Question(_) = saying {
        // Without an action it comes back to the address of the page.
        html.raw(
            "<form method=\"post\"><input type=\"hidden\" name=\"confirm\" value=\"yes\"><button>",
        );
        html.text(words.unsubscribe);
        html.raw("</button></form>");
    }
    html.raw("</main></body></html>");
    Page {
        html: html.into_string(),
        policy: policy(&style),
        language: words.tag,
    }
}

const fn said<'w>(saying: Saying<'_>, words: &'w Words) -> (&'w str, &'w str) {
    match saying {
        Saying::Question(_) => (words.unsubscribe, words.question),
        Saying::Done(Some(_)) => (words.done, words.done_text),
        Saying::Done(None) => (words.done, words.done_plain),
        Saying::Already(_) => (words.already, words.done_text),
        Saying::Unknown => (words.unknown, words.unknown_text),
        Saying::Trouble => (words.trouble, words.trouble_text),
        Saying::Blocked => (words.blocked, words.blocked_text),
        Saying::NotFound => (words.not_found, words.not_found_text),
    }
}

const fn subscription(saying: Saying<'_>) -> Option<&Subscription> {
    match saying {
        Saying::Question(of) | Saying::Already(of) | Saying::Done(Some(of)) => Some(of),
        Saying::Done(None)
        | Saying::Unknown
        | Saying::Trouble
        | Saying::Blocked
        | Saying::NotFound => None,
    }
}

fn style(saying: Saying<'_>) -> String {
    let Saying::Question(of) = saying else {
        return STYLE.to_owned();
    };
    let colour = of.colour.unwrap_or(BLUE);
    // The border has the colour of the text, so that the button stands out from any ground.
    let text = text_on(colour);
    format!("{STYLE}button{{background:{colour};color:{text}}}")
}

fn policy(style: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = BASE64.encode(hash.as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Subscription {
        Subscription {
            brand: "<script>alert(1)</script>{address}".to_owned(),
            colour: None,
            address: "\"><img src=x onerror=alert(1)>'&{brand}@x.example".to_owned(),
        }
    }

    #[test]
    fn what_is_not_ours_is_text_on_every_page() {
        let hostile = hostile();
        for language in Language::ALL {
            for saying in [
                Saying::Question(&hostile),
                Saying::Done(Some(&hostile)),
                Saying::Already(&hostile),
            ] {
                let page = page(saying, *language);
                assert!(!page.html.contains("<script"), "{}", page.html);
                assert!(!page.html.contains("<img"), "{}", page.html);
                // Each stands there once, also where it looks like a place for the other.
                assert_eq!(
                    page.html.matches("&lt;script&gt;").count(),
                    1,
                    "{}",
                    page.html
                );
                assert_eq!(page.html.matches("&lt;img").count(), 1, "{}", page.html);
            }
        }
    }

    #[test]
    fn a_page_is_whole_in_each_language() {
        let of = Subscription {
            brand: "Acme".to_owned(),
            colour: Colour::parse("#ffee00"),
            address: "ann@example.org".to_owned(),
        };
        for language in Language::ALL {
            for saying in [
                Saying::Question(&of),
                Saying::Done(Some(&of)),
                Saying::Done(None),
                Saying::Already(&of),
                Saying::Unknown,
                Saying::Trouble,
                Saying::Blocked,
                Saying::NotFound,
            ] {
                let page = page(saying, *language);
                let (_, body) = page.html.split_once("</style>").unwrap();
                assert!(!body.contains(['{', '}']), "{body}");
                assert!(
                    page.html
                        .contains(&format!("<html lang=\"{}\">", page.language))
                );
                assert_eq!(page.html.matches("<h1>").count(), 1);
                let asks = matches!(saying, Saying::Question(_));
                assert_eq!(page.html.contains("<form method=\"post\">"), asks);
            }
        }
    }

    #[test]
    fn the_policy_allows_the_style_of_the_page_alone() {
        let of = Subscription {
            brand: "Acme".to_owned(),
            colour: Colour::parse("#ffee00"),
            address: "ann@example.org".to_owned(),
        };
        let page = page(Saying::Question(&of), Language::default());
        assert!(
            page.html
                .contains("button{background:#ffee00;color:#000000}")
        );
        let (_, rest) = page.html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        assert_eq!(page.policy, policy(style));
        assert!(
            page.policy
                .starts_with("default-src 'none'; style-src 'sha256-")
        );
    }
}
