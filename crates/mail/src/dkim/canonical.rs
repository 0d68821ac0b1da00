//! The relaxed canonical forms (RFC 6376 §3.4.2, §3.4.4).

use aws_lc_rs::digest::{Context, SHA256};

/// Canonical octets that are gathered before they are hashed.
const GATHER: usize = 4096;

/// Appends a header field in canonical form, without a line end.
pub(super) fn relaxed_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    for &octet in value {
        match octet {
            b' ' | b'\t' => space = true,
            // The line ends of a folded field.
            b'\r' | b'\n' => {}
            octet => {
                if space && out.len() > start {
                    out.push(b' ');
                }
                space = false;
                out.push(octet);
            }
        }
    }
}

/// The SHA-256 of a body in canonical form, of chunks cut anywhere.
pub(super) struct BodyHash {
    canonical: Canonical,
    digest: Context,
}

impl BodyHash {
    pub(super) fn new() -> Self {
        Self {
            canonical: Canonical::default(),
            digest: Context::new(&SHA256),
        }
    }

    pub(super) fn write(&mut self, chunk: &[u8]) {
        for part in chunk.chunks(GATHER) {
            self.canonical.write(part);
            self.digest.update(&self.canonical.out);
            self.canonical.out.clear();
        }
    }

    pub(super) fn finish(mut self) -> [u8; 32] {
        self.canonical.finish();
        self.digest.update(&self.canonical.out);
        let digest = self.digest.finish();
        let mut octets = [0; 32];
        octets.copy_from_slice(digest.as_ref());
        octets
    }
}

/// What was read and what of it is not written yet, since it counts only if more follows.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    pub(super) out: Vec<u8>,
    /// Line ends.
    line_ends: usize,
    /// White space within the line.
    space: bool,
    /// A CR, perhaps of a line end.
    cr: bool,
    /// Whether anything was ever written.
    any: bool,
}

impl Canonical {
    pub(super) fn write(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            match first {
                b'\n' if self.cr => self.end_line(),
                b'\r' => {
                    self.lone_cr();
                    self.cr = true;
                }
                b' ' | b'\t' => {
                    self.lone_cr();
                    self.space = true;
                }
                _ => {
                    self.lone_cr();
                    let is_plain = |octet: &u8| !matches!(octet, b' ' | b'\t' | b'\r');
                    let plain = after.iter().take_while(|octet| is_plain(octet)).count();
                    let (run, next) = rest.split_at(1 + plain);
                    self.text(run);
                    rest = next;
                    continue;
                }
            }
            rest = after;
        }
    }

    /// All lines that are empty by now, at the end of the body, are left out.
    pub(super) fn finish(&mut self) {
        self.lone_cr();
        if self.any {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn end_line(&mut self) {
        self.cr = false;
        self.space = false;
        self.line_ends += 1;
    }

    /// A CR without LF is text like any other.
    fn lone_cr(&mut self) {
        if std::mem::take(&mut self.cr) {
            self.text(b"\r");
        }
    }

    fn text(&mut self, run: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.out.extend_from_slice(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(run);
        self.any = true;
    }
}
