//! Prints what the worst messages of 10 MiB cost to understand: processor time and time, and
//! memory beyond the message itself. Each is read in a process of its own.

mod cost;

use std::hint::black_box;
use std::time::Instant;
use std::{env, fs, io, process};

use postbell_mail::Classifier;
use postbell_mail::inbound::{Envelope, Mail, Reader, reply_text};

use cost::processor;

const SIZE: usize = 10 * 1024 * 1024;

type Make = fn() -> Vec<u8>;

const CASES: [(&str, Make); 19] = [
    ("multiparts in multiparts", || {
        nested("Content-Type: multipart/mixed; boundary=b#\r\n\r\n--b#\r\n")
    }),
    ("messages in messages", || {
        nested("Content-Type: message/rfc822\r\n\r\n")
    }),
    ("boundaries", || {
        behind(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            "--b\r\n\r\nx\r\n",
        )
    }),
    ("dashes", || {
        let boundary = "-".repeat(60);
        behind(&nest(31, &boundary), &format!("--{boundary}x\r\n"))
    }),
    ("header fields", || behind("Subject: a\r\n", "A: b\r\n")),
    ("one folded field", || behind("Subject: a\r\n", " b\r\n")),
    ("encoded words", || {
        behind("Subject:", " =?utf-8?q?=C3=BC?=\r\n")
    }),
    ("words that begin an encoded one", || {
        behind("Subject:", " =?utf-8?q?\r\n")
    }),
    ("parameters", || {
        behind("Content-Type: text/plain", "; a*0*=%20\r\n")
    }),
    ("quoted-printable", || {
        behind(
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
            "=C3=BC=\r\n",
        )
    }),
    ("base64", || {
        behind("Content-Transfer-Encoding: base64\r\n\r\n", "w7zDvMO8\r\n")
    }),
    ("latin1", || {
        behind(
            "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n",
            "\u{fc}\u{fc}\r\n",
        )
    }),
    ("tags", || {
        behind("Content-Type: text/html\r\n\r\n", "<p a=\"<")
    }),
    ("quotes in HTML", || {
        behind("Content-Type: text/html\r\n\r\n", "<blockquote>x<br>")
    }),
    ("addresses in a bounce", || {
        behind(
            "From: <>\r\nSubject: failure notice\r\n\r\n",
            "550 5.1.1 <a@b.example>:\r\n \"@\"@ a@\r\nTo: x\r\n",
        )
    }),
    ("recipients of a report", || {
        behind(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\na@b.example\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n",
            "\r\nFinal-Recipient: rfc822;x@b.example\r\nAction: failed\r\n",
        )
    }),
    ("recipients without empty lines", || {
        behind(
            "Content-Type: message/delivery-status\r\n\r\n",
            "Final-Recipient:a\r\n",
        )
    }),
    ("text, attribution and quote in turns", || {
        behind(
            "Subject: Re: a\r\n\r\n",
            "a\r\nOn 4 May 2026, b <c@d.example> wrote:\r\n> y\r\n",
        )
    }),
    ("attributions", || {
        behind(
            "Subject: Re: a\r\n\r\n",
            "On a, b <c@d.example> x:\r\n> y\r\n",
        )
    }),
];

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> io::Result<()> {
    if let Some(case) = env::args().nth(1) {
        return measure(&case);
    }
    for (name, _) in CASES {
        let output = process::Command::new(env::current_exe()?)
            .arg(name)
            .output()?;
        println!(
            "{name:34} {}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn measure(case: &str) -> io::Result<()> {
    let found = CASES.iter().find(|(name, _)| *name == case);
    let (_, make) = found.ok_or(io::ErrorKind::NotFound)?;
    let reader = Reader::new(Classifier::standard());
    let raw = make();
    let before = peak()?;
    let (begin, begin_cpu) = (Instant::now(), processor()?);
    let mail = Mail::read(&raw);
    for (index, _) in mail.leaves() {
        black_box(mail.octets(index));
    }
    black_box(reader.read(&mail, Envelope::Noted));
    black_box(reply_text(&mail));
    let (took, cpu) = (begin.elapsed(), processor()?.saturating_sub(begin_cpu));
    println!("{cpu:>9.1?} {took:>9.1?} {:>6} KiB more", peak()? - before);
    Ok(())
}

/// The most memory that the process has had, in KiB.
fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(word.and_then(|word| word.parse().ok()).unwrap_or(0))
}

fn behind(head: &str, again: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(SIZE + 1024);
    raw.extend_from_slice(head.as_bytes());
    while raw.len() < SIZE {
        raw.extend_from_slice(again.as_bytes());
    }
    raw
}

fn nested(level: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(SIZE + 1024);
    let mut depth = 0;
    while raw.len() < SIZE {
        raw.extend_from_slice(level.replace('#', &depth.to_string()).as_bytes());
        depth += 1;
    }
    raw
}

/// Multiparts within one another, whose boundaries begin alike.
fn nest(levels: usize, boundary: &str) -> String {
    let level = |level: usize| {
        format!(
            "Content-Type: multipart/mixed; boundary={boundary}{level}\r\n\r\n--{boundary}{level}\r\n"
        )
    };
    (0..levels).map(level).collect()
}
