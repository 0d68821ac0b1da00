use bytes::Bytes;
use postbell_smtp::BareLineEnds;
use postbell_smtp::data::{DataError, DotReader, Progress, stuff};

use crate::input::{Input, sizes};

const END: &[u8] = b"\r\n.\r\n";
const MAX: usize = 300;

/// A message is read as a slow reader that was written from the RFC reads it, wherever it is cut;
/// what was kept is sent on and read as the same again.
pub fn data(data: &[u8]) {
    let mut input = Input::new(data);
    let size = input.octet();
    let wire = input.rest();
    for bare in [BareLineEnds::Refuse, BareLineEnds::Normalise] {
        let [whole, others @ ..] = sizes(wire.len(), size).map(|size| read(wire, size, bare));
        for cut in others {
            assert_eq!(cut, whole);
        }
        let kept = whole.map(|(end, message)| (end, message.ok()));
        assert_eq!(kept, slowly(wire, bare));
        if let Some((_, Some(message))) = kept {
            check_sending(&message, usize::from(size) + 1);
        }
    }
}

/// Where the message ended and what became of it; `None` where it has no end.
fn read(wire: &[u8], size: usize, bare: BareLineEnds) -> Option<(usize, Result<Bytes, DataError>)> {
    let mut reader = DotReader::new(MAX as u64, bare);
    let mut taken = 0;
    for piece in wire.chunks(size) {
        match reader.read(piece) {
            Progress::More => taken += piece.len(),
            Progress::End { used } => return Some((taken + used, reader.finish())),
        }
    }
    None
}

/// The same, from one look at all octets: the first CRLF.CRLF is the end, the CRLF of DATA
/// counted in (RFC 5321 §4.1.1.4).
fn slowly(wire: &[u8], bare: BareLineEnds) -> Option<(usize, Option<Bytes>)> {
    let whole = [b"\r\n", wire].concat();
    let end = whole.windows(END.len()).position(|at| at == END)?;
    let message = &whole[2..(end + 2).max(2)];
    let normal = normalised(&unstuffed(message));
    let refused = bare == BareLineEnds::Refuse && has_bare(message);
    let kept = !message.contains(&0) && !refused && normal.len() <= MAX;
    Some((end + END.len() - 2, kept.then(|| normal.into())))
}

// RFC 5321 §4.5.2
fn unstuffed(message: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for (at, octet) in message.iter().enumerate() {
        let line_start = at == 0 || message[..at].ends_with(b"\r\n");
        if !(line_start && *octet == b'.') {
            kept.push(*octet);
        }
    }
    kept
}

fn has_bare(message: &[u8]) -> bool {
    let text = String::from_utf8_lossy(message).replace("\r\n", "");
    text.contains(['\r', '\n'])
}

/// CRs before a CRLF vanish, other CRs become one space, a bare LF becomes CRLF.
fn normalised(message: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = message;
    while let Some((&first, after)) = rest.split_first() {
        let run = rest.iter().take_while(|octet| **octet == b'\r').count();
        if run > 0 && rest.get(run) == Some(&b'\n') {
            kept.extend_from_slice(b"\r\n");
            rest = &rest[run + 1..];
        } else if run > 0 {
            kept.push(b' ');
            rest = &rest[run..];
        } else if first == b'\n' {
            kept.extend_from_slice(b"\r\n");
            rest = after;
        } else {
            kept.push(first);
            rest = after;
        }
    }
    kept
}

fn check_sending(message: &Bytes, size: usize) {
    assert!(message.is_empty() || message.ends_with(b"\r\n"));
    let chunks = message.chunks(size).map(Bytes::copy_from_slice).collect();
    let wire = stuff(chunks)
        .expect("what was kept has no bare line end")
        .concat();
    let (end, again) = read(&wire, wire.len(), BareLineEnds::Refuse).expect("it has an end");
    assert_eq!((end, again.as_ref()), (wire.len(), Ok(message)));
}
