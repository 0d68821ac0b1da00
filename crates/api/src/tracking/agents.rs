//! Programs that say in User-Agent what they are: proxies that fetch pictures for people, programs
//! that fetch ahead, scanners.
//!
//! A table of words, each with where it is known from. A word counts where no letter stands before it,
//! in any case; of several the first in the table counts. What looks like a person's browser is none of these,
//! whoever it is: that is what times and networks are for.

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use postbell_model::engagement::{ImageProxy, MachineReason};

/// Who a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    /// Fetches pictures for somebody who looks at them.
    Proxy(ImageProxy),
    /// Is nobody.
    Machine(MachineReason),
}

const GOOGLE: Agent = Agent::Proxy(ImageProxy::Google);
const YAHOO: Agent = Agent::Proxy(ImageProxy::Yahoo);
const OTHER: Agent = Agent::Proxy(ImageProxy::Other);
const PREFETCH: Agent = Agent::Machine(MachineReason::PrefetchAgent);
const SCANNER: Agent = Agent::Machine(MachineReason::ScannerAgent);

/// The table.
const WORDS: &[(&str, Agent)] = &[
    // Gmail, when a mail is looked at: "… (via ggpht.com GoogleImageProxy)".
    ("googleimageproxy", GOOGLE),
    // <https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html>
    ("yahoomailproxy", YAHOO),
    // Others that call themselves so.
    ("imageproxy", OTHER),
    ("image proxy", OTHER),
    ("mailproxy", OTHER),
    // Gmail, before a mail is shown:
    // <https://www.sparkpost.com/blog/gmail-prefetching-images/>
    ("edge/12.246 mozilla/5.0", PREFETCH),
    // Previews of links that were pasted somewhere; each is what the program's makers document.
    ("bingpreview", PREFETCH),
    ("discordbot", PREFETCH),
    ("facebookexternal", PREFETCH),
    ("iframely", PREFETCH),
    ("linkedinbot", PREFETCH),
    ("redditbot", PREFETCH),
    ("skypeuripreview", PREFETCH),
    ("slack-imgproxy", PREFETCH),
    ("slackbot", PREFETCH),
    ("snap url preview", PREFETCH),
    ("telegrambot", PREFETCH),
    ("twitterbot", PREFETCH),
    ("whatsapp/", PREFETCH),
    // Products that look at links in mail, where they do not hide it.
    ("barracuda", SCANNER),
    ("cisco", SCANNER),
    ("cloudmark", SCANNER),
    ("fireeye", SCANNER),
    ("forcepoint", SCANNER),
    ("fortimail", SCANNER),
    ("fortiguard", SCANNER),
    ("hornetsecurity", SCANNER),
    ("ironport", SCANNER),
    ("kaspersky", SCANNER),
    ("mcafee", SCANNER),
    ("messagelabs", SCANNER),
    ("mimecast", SCANNER),
    ("proofpoint", SCANNER),
    ("safebrowsing", SCANNER),
    ("sophos", SCANNER),
    ("symantec", SCANNER),
    ("trellix", SCANNER),
    ("trend micro", SCANNER),
    ("trendmicro", SCANNER),
    ("urlscan", SCANNER),
    ("virustotal", SCANNER),
    ("zscaler", SCANNER),
    // Crawlers; by custom they name a page about themselves: "(+https://…)".
    ("+http", SCANNER),
    ("crawler", SCANNER),
    ("spider", SCANNER),
    // Browsers without a window.
    ("headlesschrome", SCANNER),
    ("phantomjs", SCANNER),
    // Libraries by their own names: whatever they work for, no browser is behind them.
    ("aiohttp", SCANNER),
    ("apache-httpclient", SCANNER),
    ("axios/", SCANNER),
    ("curl/", SCANNER),
    ("go-http-client", SCANNER),
    ("guzzlehttp", SCANNER),
    ("java/", SCANNER),
    ("jetty/", SCANNER),
    ("libwww-perl", SCANNER),
    ("lua-resty-http", SCANNER),
    ("node-fetch", SCANNER),
    ("python-", SCANNER),
    ("scrapy", SCANNER),
    ("wget/", SCANNER),
];

/// Those that count behind letters as well: makers put their names before them.
const SECOND: &[&str] = &[
    "imageproxy",
    "image proxy",
    "mailproxy",
    "+http",
    "crawler",
    "spider",
    "curl/",
];

/// The table, ready to be looked into.
#[derive(Debug)]
pub(super) struct Agents(AhoCorasick);

impl Agents {
    pub(super) fn new() -> Result<Self, BuildError> {
        let words = WORDS.iter().map(|(word, _)| word);
        let found = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(words)?;
        Ok(Self(found))
    }

    /// Who calls itself so; `None`: a person, as far as one can tell.
    pub(super) fn of(&self, user_agent: &str) -> Option<Agent> {
        let found = self.0.find_overlapping_iter(user_agent);
        let words = found.filter_map(|found| {
            let place = found.pattern().as_usize();
            let (word, agent) = WORDS.get(place)?;
            let before = user_agent[..found.start()].chars().next_back();
            let begins = !before.is_some_and(char::is_alphabetic);
            (begins || SECOND.contains(word)).then_some((place, *agent))
        });
        let first = words.min_by_key(|(place, _)| *place);
        first.map(|(_, agent)| agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_by_what_they_call_themselves() {
        let agents = Agents::new().unwrap();
        for (user_agent, agent) in [
            (
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com \
                 GoogleImageProxy)",
                Some(GOOGLE),
            ),
            (
                "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
                Some(YAHOO),
            ),
            ("ExampleImageProxy/1.0", Some(OTHER)),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
                Some(PREFETCH),
            ),
            (
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
                Some(PREFETCH),
            ),
            ("Barracuda Sentinel (EE)", Some(SCANNER)),
            ("python-requests/2.31", Some(SCANNER)),
            ("libcurl/8.5.0 r-curl/5.2.0", Some(SCANNER)),
            ("Mozilla/5.0 (compatible; ExampleSpider/2.0)", Some(SCANNER)),
            ("Cisco Secure Email", Some(SCANNER)),
            ("SanFrancisco/2.1 (iPhone; iOS 17.1)", None),
            ("NoScrapy ÄBarracuda", None),
            (
                "Mozilla/5.0 (compatible; X/1; +https://x.example/bot)",
                Some(SCANNER),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
                None,
            ),
            (
                "Mozilla/5.0 (Linux; Android 11; CUBOT X50) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/120.0.0.0 Mobile Safari/537.36",
                None,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Mobile/15E148",
                None,
            ),
            (
                "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(agents.of(user_agent), agent, "{user_agent}");
        }
    }

    #[test]
    fn words_are_in_lower_case_and_stand_once() {
        let is_word = |second: &&str| WORDS.iter().any(|(word, _)| word == second);
        assert!(SECOND.iter().all(is_word));
        for (index, (word, _)) in WORDS.iter().enumerate() {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert!(
                !WORDS[..index].iter().any(|(other, _)| other == word),
                "{word}"
            );
        }
    }
}
