//! The trace of one session.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use postbell_model::Domain;

use super::{Role, Shared, Speaker, TraceLine, Tracer, Watcher};

/// Lines kept while somebody waits for a domain to be named.
const HEAD: usize = 32;
/// Characters of a line that are shown.
const MAX_TEXT: usize = 1_000;

/// Tells what one session says, where somebody watches.
#[derive(Debug)]
pub struct SessionTrace {
    tracer: Tracer,
    role: Role,
    number: u64,
    peer: IpAddr,
    /// What was said before anybody's domain was named.
    head: VecDeque<TraceLine>,
    /// The watchers whose domain was named.
    joined: Vec<u64>,
    /// Octets of a message since the last line.
    data: u64,
}

impl SessionTrace {
    pub(super) const fn new(tracer: Tracer, role: Role, number: u64, peer: IpAddr) -> Self {
        Self {
            tracer,
            role,
            number,
            peer,
            head: VecDeque::new(),
            joined: Vec::new(),
            data: 0,
        }
    }

    /// Whether somebody watches; spares the caller to make the text.
    pub fn is_watched(&self) -> bool {
        self.tracer.watched().is_some()
    }

    /// Lines that were said, with their line ends or without.
    pub fn said(&mut self, speaker: Speaker, octets: &[u8]) {
        let Some(shared) = self.tracer.watched().cloned() else {
            return;
        };
        self.end_data(&shared);
        let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
        for line in octets.split(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.tell(&shared, self.line(&shared, speaker, shown(line)));
        }
    }

    /// A line of a login was said; its text is not shown.
    pub fn said_secret(&mut self, speaker: Speaker, command: &str) {
        if self.is_watched() {
            self.said(speaker, format!("{command} [not shown]").as_bytes());
        }
    }

    /// Something about the session.
    pub fn note(&mut self, text: &str) {
        self.said(Speaker::Note, text.as_bytes());
    }

    /// Octets of a message: told by their size, and as they are to who wants them.
    pub fn data(&mut self, octets: &[u8]) {
        let Some(shared) = self.tracer.watched().cloned() else {
            return;
        };
        self.data += octets.len() as u64;
        let watchers: Vec<_> = shared.watchers().clone();
        let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
        for watcher in watchers.iter().filter(|watcher| watcher.watch.data) {
            if !self.is_shown_to(watcher) {
                continue;
            }
            for line in octets.split(|octet| *octet == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                watcher.tell(&self.line(&shared, Speaker::Client, shown(line)));
            }
        }
    }

    fn end_data(&mut self, shared: &Arc<Shared>) {
        let size = std::mem::take(&mut self.data);
        if size > 0 {
            let text = format!("[message data, {size} octets]");
            self.tell(shared, self.line(shared, Speaker::Client, text));
        }
    }

    fn line(&self, shared: &Shared, speaker: Speaker, text: String) -> TraceLine {
        TraceLine {
            at: shared.clock.now(),
            session: self.number,
            role: self.role,
            peer: self.peer,
            speaker,
            text,
        }
    }

    fn tell(&mut self, shared: &Shared, line: TraceLine) {
        let watchers: Vec<_> = shared.watchers().clone();
        let mut awaited = false;
        for watcher in &watchers {
            let names = |domain: &Domain| names(&line.text, domain);
            if self.is_shown_to(watcher) {
                watcher.tell(&line);
            } else if self.is_of(watcher) {
                awaited = true;
                if watcher.watch.domain.as_ref().is_some_and(names) {
                    self.joined.push(watcher.id);
                    self.head.iter().for_each(|earlier| watcher.tell(earlier));
                    watcher.tell(&line);
                }
            }
        }
        if !awaited {
            self.head.clear();
            return;
        }
        if self.head.len() >= HEAD {
            self.head.pop_front();
        }
        self.head.push_back(line);
    }

    /// Whether the session is one that the watcher may want, its domain aside.
    fn is_of(&self, watcher: &Watcher) -> bool {
        let watch = &watcher.watch;
        watch.peer.is_none_or(|peer| peer == self.peer)
            && watch.role.is_none_or(|role| role == self.role)
    }

    fn is_shown_to(&self, watcher: &Watcher) -> bool {
        let named = watcher.watch.domain.is_none() || self.joined.contains(&watcher.id);
        named && self.is_of(watcher)
    }
}

/// Whether a line names the domain, or a host below it: after "@", a blank or a dot.
fn names(text: &str, domain: &Domain) -> bool {
    let (text, domain) = (text.to_ascii_lowercase(), domain.as_str());
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
    text.match_indices(domain).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        before.is_none_or(|c| c == '.' || !is_part(c)) && after.is_none_or(|c| !is_part(c))
    })
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::with_capacity(text.len().min(MAX_TEXT));
    for (count, c) in text.chars().enumerate() {
        if count >= MAX_TEXT {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
