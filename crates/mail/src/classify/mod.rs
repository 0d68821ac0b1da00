//! From a reply to the one list of bounce classes, by a table of rules.
//!
//! `config/bounces.toml` is compiled in as [`Classifier::standard`]. Its rules are tried in
//! order and the first that holds decides, so it gives evidence the order of its weight: how far
//! the try came, a status code that is used for one thing alone (RFC 3463, IANA's registry),
//! words that leave no doubt, the meaning of any status code, the reply code together with the
//! phase (RFC 5321 §4.2.3). Codes stand behind words because most servers say 5.7.1 or 5.1.0
//! whatever the cause. An operator's rules are tried before all of these.
//!
//! What codes mean the table has from RFC 3463 §3, RFC 4954 §6, RFC 5248, RFC 7293 §8, RFC 7372
//! §3, RFC 7504 §4, RFC 7505 §4.1 and RFC 8689 §7.
//!
//! A class that means a dead address puts it on the suppression list, so nothing is taken for
//! one without evidence: a bare 550 is [`BounceClass::Other`].
//!
//! All phrases of all rules are found in one pass over the text, whose cost is linear in its
//! length whatever the phrases are: there is nothing to backtrack over, and no more than the
//! first 2,000 octets are looked at.

mod plain;
mod rule;
mod table;

#[cfg(test)]
mod tests;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use postbell_model::{BounceClass, EnhancedCode, Phase, Reply};

pub use rule::{CodePattern, EnhancedPattern, Phrase, Rule};
pub use table::{MAX_PHRASES, Table, TableFault, TableFaults};

/// The rules, ready for use. Making one takes milliseconds, asking it microseconds.
#[derive(Debug, Clone)]
pub struct Classifier {
    rules: Vec<Rule>,
    phrases: AhoCorasick,
    /// For each phrase of `phrases`: the rule, and the list of it that the phrase stands in.
    places: Vec<(usize, u8)>,
}

/// The lists of phrases of a rule, as bits of what was found.
const ANY: u8 = 1;
const AND: u8 = 2;
const UNLESS: u8 = 4;

impl Classifier {
    /// The rules of `config/bounces.toml` alone.
    pub fn standard() -> Self {
        Self::from_table(Table::standard())
    }

    /// The rules of `own`, and behind them the standard ones.
    pub fn extended(own: Table) -> Self {
        Self::from_table(own.before(Table::standard()))
    }

    /// The rules of `table` and no others.
    pub fn from_table(table: Table) -> Self {
        let rules = table.into_rules();
        let mut places = Vec::new();
        let mut patterns = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let lists = [(ANY, &rule.any), (AND, &rule.and), (UNLESS, &rule.unless)];
            for (list, phrases) in lists {
                patterns.extend(phrases.iter().map(Phrase::pattern));
                places.extend(phrases.iter().map(|_| (index, list)));
            }
        }
        let phrases = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns)
            .expect("invariant: a table holds fewer phrases than an automaton takes");
        Self {
            rules,
            phrases,
            places,
        }
    }

    /// The class of a refusal, a deferral or a failure, from how far the try came and what was
    /// said, by the far server or by us in its place.
    pub fn classify(&self, phase: Phase, reply: &Reply) -> BounceClass {
        let said = plain::reply(&reply.text);
        let enhanced = reply
            .enhanced
            .or_else(|| code_within(&said, reply.code))
            .filter(|code| code.class != 2);
        let found = self.find(&said);
        let holding = self.rules.iter().zip(found).find(|(rule, found)| {
            words_hold(rule, *found) && rule.codes_hold(phase, reply.code, enhanced)
        });
        holding.map_or(BounceClass::Other, |(rule, _)| rule.class)
    }

    /// For each rule, the lists of which a phrase is in the text.
    fn find(&self, said: &str) -> Vec<u8> {
        let mut found = vec![0; self.rules.len()];
        for hit in self.phrases.find_overlapping_iter(said) {
            let place = self.places.get(hit.pattern().as_usize());
            if let Some((rule, list)) = place
                && let Some(lists) = found.get_mut(*rule)
            {
                *lists |= list;
            }
        }
        found
    }
}

fn words_hold(rule: &Rule, found: u8) -> bool {
    found & UNLESS == 0
        && (rule.any.is_empty() || found & ANY != 0)
        && (rule.and.is_empty() || found & AND != 0)
}

/// A status code that does not lead the reply, as qmail and Domino put it; one whose class is
/// not that of the reply's code was said by somebody else.
fn code_within(said: &str, code: u16) -> Option<EnhancedCode> {
    said.split(' ')
        .filter(|word| word.starts_with(['4', '5']))
        .filter_map(EnhancedCode::parse)
        .find(|enhanced| u16::from(enhanced.class) == code / 100)
}
