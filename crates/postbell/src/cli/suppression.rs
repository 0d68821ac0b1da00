//! `postbell suppression`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use postbell_model::suppression::Cause;
use postbell_model::{Address, Domain};

use super::{Output, duration};

const STREAM_MAX: usize = 64;
/// Characters of a note.
const NOTE_MAX: usize = 1_000;

/// `postbell suppression …`
#[derive(Debug, Subcommand)]
pub enum SuppressionCommand {
    /// Put an address on the list: a workspace sends it no more mail
    #[command(after_help = "\
Examples:
  postbell suppression add ann@example.org --workspace acme
  postbell suppression add ann@example.org --workspace acme --stream news --cause unsubscribe
  postbell suppression add ann@example.org --workspace acme --expires 30d --note 'asked by phone'

Mail to it is taken, and ends with a Reject event. An address that is on the list keeps its cause and
since when, unless unsubscribe or complaint is to take the place of bounce or manual; the later expiry and
the new note hold.")]
    Add(SuppressionAdd),
    /// Take an address off the list
    #[command(after_help = "\
Examples:
  postbell suppression remove ann@example.org --workspace acme                   the entry for all mail
  postbell suppression remove ann@example.org --workspace acme --stream news     that of a stream
  postbell suppression remove ann@example.org --workspace acme --all             each of them

Who complained or unsubscribed has to ask for mail anew before.")]
    Remove(SuppressionRemove),
    /// Say whether an address is on the list: why, since when, and by which event
    #[command(after_help = "\
Examples:
  postbell suppression show ann@example.org --workspace acme
  postbell suppression show Ann+shop@example.org --workspace acme --json

Of an address with a + the one without what follows it is looked up as well; mail to the one is not
held back by an entry of the other.")]
    Show {
        #[command(flatten)]
        which: WhichAddress,
        #[command(flatten)]
        output: Output,
    },
    /// List the addresses that a workspace sends no mail, by address
    #[command(after_help = "\
Examples:
  postbell suppression list --workspace acme --cause complaint --since 7d
  postbell suppression list --workspace acme --domain example.org --limit 1000 --json
  postbell suppression list --workspace acme --after bob@example.org
                               the next page: what stands behind the last entry of this one")]
    List(SuppressionList),
    /// Put the addresses of a file on the list, a million if need be
    #[command(after_help = "\
Examples:
  postbell suppression import list.csv --workspace acme --check    says what is wrong with it
  postbell suppression import list.csv --workspace acme
  zcat list.csv.gz | postbell suppression import - --workspace acme --faults faults.csv

The first line names the columns, in any order: address or email, and if need be stream, cause, since,
expires, note and event; or the file is a bare list of addresses. Rows that are right go in, the others
are told by their lines, and the exit code is 1. What is on the list already keeps its cause and since
when, unless UNSUBSCRIBE or COMPLAINT is to take the place of BOUNCE or MANUAL; the later expiry and the
new note hold. So the command may be given again.")]
    Import(SuppressionImport),
    /// Write the list to a file, which import reads back
    #[command(after_help = "\
Examples:
  postbell suppression export list.csv --workspace acme
  postbell suppression export - --workspace acme --cause unsubscribe | gzip > list.csv.gz

Cells that a spreadsheet would take for a formula begin with an apostrophe, which import takes away.")]
    Export(SuppressionExport),
}

/// An address on a workspace's list.
#[derive(Debug, Args)]
pub struct WhichAddress {
    /// The address
    #[arg(value_parser = address)]
    pub address: Address,
    /// Whose list it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
}

/// `postbell suppression add`
#[derive(Debug, Args)]
pub struct SuppressionAdd {
    #[command(flatten)]
    pub which: WhichAddress,
    /// Only mail of this stream [default: all mail]
    #[arg(long, value_name = "NAME", value_parser = stream)]
    pub stream: Option<String>,
    /// Why: manual, unsubscribe, complaint or bounce
    #[arg(long, value_name = "CAUSE", default_value = "manual", value_parser = cause)]
    pub cause: Cause,
    /// A note for those who look later
    #[arg(long, value_name = "TEXT", value_parser = note)]
    pub note: Option<String>,
    /// How long it holds [default: until it is removed]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell suppression remove`
#[derive(Debug, Args)]
pub struct SuppressionRemove {
    #[command(flatten)]
    pub which: WhichAddress,
    /// The entry of this stream
    #[arg(long, value_name = "NAME", value_parser = stream, conflicts_with = "all")]
    pub stream: Option<String>,
    /// Each entry of the address
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Which entries are meant: those for which all of these hold.
#[derive(Debug, Args)]
pub struct WhichEntries {
    /// Of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// For this cause: manual, unsubscribe, complaint or bounce
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    pub cause: Option<Cause>,
    /// Of this stream
    #[arg(long, value_name = "NAME", value_parser = stream, conflicts_with = "all_mail")]
    pub stream: Option<String>,
    /// That are about all mail
    #[arg(long)]
    pub all_mail: bool,
    /// Of addresses at this domain
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub domain: Option<Domain>,
    /// Of this long ago and later
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
}

/// `postbell suppression list`
#[derive(Debug, Args)]
pub struct SuppressionList {
    #[command(flatten)]
    pub which: WhichEntries,
    /// Only what stands behind this entry: an address, or ADDRESS/STREAM
    #[arg(long, value_name = "ENTRY", value_parser = entry)]
    pub after: Option<Entry>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub output: Output,
}

/// An entry by its address and its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The address.
    pub address: Address,
    /// The stream; `None`: all mail.
    pub stream: Option<String>,
}

/// `postbell suppression import`
#[derive(Debug, Args)]
pub struct SuppressionImport {
    /// The file; "-": standard input
    pub file: PathBuf,
    /// Whose list it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// Change nothing; say what is wrong with the file
    #[arg(long)]
    pub check: bool,
    /// Write all faults to this file, which must not be there [default: the first 20 are told]
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell suppression export`
#[derive(Debug, Args)]
pub struct SuppressionExport {
    /// The file, which must not be there; "-": standard output
    pub file: PathBuf,
    #[command(flatten)]
    pub which: WhichEntries,
    #[command(flatten)]
    pub output: Output,
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

fn domain(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|error| error.to_string())
}

fn cause(text: &str) -> Result<Cause, String> {
    let found = text.parse::<Cause>();
    found.map_err(|_| "write manual, unsubscribe, complaint or bounce".to_owned())
}

/// A name as those of streams are: see `X-Postbell-Stream`.
pub(crate) fn stream(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > STREAM_MAX || !text.chars().all(allowed) {
        return Err(format!(
            "a stream has 1 to {STREAM_MAX} letters, digits, \"-\", \"_\" and \".\""
        ));
    }
    Ok(text.to_owned())
}

pub(crate) fn note(text: &str) -> Result<String, String> {
    if text.chars().count() > NOTE_MAX {
        return Err(format!("write at most {NOTE_MAX} characters"));
    }
    Ok(text.to_owned())
}

/// The domain ends at the slash, which neither it nor a stream has; a local part may have some.
fn entry(text: &str) -> Result<Entry, String> {
    let at = text.rfind('@').unwrap_or_default();
    let slash = text.get(at..).and_then(|domain| domain.find('/'));
    let (written, named) = match slash {
        Some(slash) => (&text[..at + slash], text.get(at + slash + 1..)),
        None => (text, None),
    };
    Ok(Entry {
        address: address(written)?,
        stream: named.map(stream).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_address_and_perhaps_a_stream() {
        let read = |text| entry(text).map(|e| (e.address.as_str().to_owned(), e.stream));
        let ann = "a/b@example.org".to_owned();
        assert_eq!(read("a/b@example.org"), Ok((ann.clone(), None)));
        let news = Some("news".to_owned());
        assert_eq!(read("a/b@example.org/news"), Ok((ann, news)));
        for wrong in ["", "x", "x/y", "a@b.example/", "a@b.example/a b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
