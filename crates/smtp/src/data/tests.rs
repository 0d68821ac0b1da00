use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const MAX: u64 = 1_000_000;

/// Feeds the octets in pieces of `piece`; the message and how many octets were taken.
fn read(
    wire: &[u8],
    piece: usize,
    bare: BareLineEnds,
) -> Option<(Result<Bytes, DataError>, usize)> {
    let mut reader = DotReader::new(MAX, bare);
    let mut taken = 0;
    for chunk in wire.chunks(piece) {
        match reader.read(chunk) {
            Progress::More => taken += chunk.len(),
            Progress::End { used } => return Some((reader.finish(), taken + used)),
        }
    }
    None
}

/// Reads in pieces of every size, with either rule.
fn check(wire: &str, refusing: Result<&str, DataError>, normalised: &str) {
    let bytes = wire.as_bytes();
    let refusing = refusing.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    for piece in 1..=bytes.len() {
        let (message, taken) = read(bytes, piece, BareLineEnds::Refuse).expect(wire);
        assert_eq!(message, refusing, "{wire:?} by {piece}");
        assert_eq!(taken, bytes.len(), "{wire:?} by {piece}");
        let (message, _) = read(bytes, piece, BareLineEnds::Normalise).expect(wire);
        assert_eq!(message.unwrap(), normalised, "{wire:?} by {piece}");
    }
}

#[test]
fn plain_messages() {
    check(".\r\n", Ok(""), "");
    check("a\r\n.\r\n", Ok("a\r\n"), "a\r\n");
    check("\r\n\r\n.\r\n", Ok("\r\n\r\n"), "\r\n\r\n");
    check("a.b\r\nc.\r\n.\r\n", Ok("a.b\r\nc.\r\n"), "a.b\r\nc.\r\n");
}

#[test]
fn added_dots_are_removed() {
    check(
        "..leading\r\n...three\r\n..\r\n.one\r\n.\r\n",
        Ok(".leading\r\n..three\r\n.\r\none\r\n"),
        ".leading\r\n..three\r\n.\r\none\r\n",
    );
}

#[test]
fn nothing_else_ends_a_message() {
    let bare = Err(DataError::BareLineEnd);
    check("a\n.\r\nb\r\n.\r\n", bare, "a\r\n.\r\nb\r\n");
    check("a\r.\r\nb\r\n.\r\n", bare, "a .\r\nb\r\n");
    check("a\r\n.\nb\r\n.\r\n", bare, "a\r\n\r\nb\r\n");
    check("a\r\n.\rb\r\n.\r\n", bare, "a\r\n b\r\n");
    check("a\n.\nb\r\n.\r\n", bare, "a\r\n.\r\nb\r\n");
    check("a\r.\rb\r\n.\r\n", bare, "a . b\r\n");
    check("a\r\n.\r\r\nb\r\n.\r\n", bare, "a\r\n\r\nb\r\n");
    check("a\r\r\n.\r\r\nb\r\n.\r\n", bare, "a\r\n\r\nb\r\n");
}

#[test]
fn bare_line_ends_become_line_ends_or_spaces() {
    let bare = Err(DataError::BareLineEnd);
    check("a\nb\n\nc\r\n.\r\n", bare, "a\r\nb\r\n\r\nc\r\n");
    check("\na\r\n.\r\n", bare, "\r\na\r\n");
    check("a\r\r\r\n.\r\n", bare, "a\r\n");
    check("a\r\rb\r\n.\r\n", bare, "a b\r\n");
}

#[test]
fn a_nul_is_refused() {
    for wire in [
        "a\0b\r\n.\r\n",
        "a\r\n\0.\r\nb\r\n.\r\n",
        "a\r\n.\0\r\nb\r\n.\r\n",
    ] {
        for piece in 1..=wire.len() {
            for bare in [BareLineEnds::Refuse, BareLineEnds::Normalise] {
                let (message, taken) = read(wire.as_bytes(), piece, bare).unwrap();
                assert_eq!(message, Err(DataError::Nul));
                assert_eq!(taken, wire.len());
            }
        }
    }
}

#[test]
fn a_long_message_is_read_but_not_kept() {
    let wire = [b"12345678\r\n".repeat(10), b".\r\nNOOP".to_vec()].concat();
    let mut reader = DotReader::new(100, BareLineEnds::Refuse);
    assert_eq!(reader.read(&wire), Progress::End { used: 103 });
    assert_eq!(reader.finish().unwrap().len(), 100);
    let mut reader = DotReader::new(99, BareLineEnds::Refuse).expecting(Some(u64::MAX));
    assert_eq!(reader.read(&wire), Progress::End { used: 103 });
    assert_eq!(reader.finish(), Err(DataError::TooLarge(99)));
}

#[test]
fn the_first_cause_is_told_wherever_the_message_is_cut() {
    for (before, cause) in [(101, DataError::TooLarge(100)), (99, DataError::Nul)] {
        let wire = [vec![b'x'; before], b"\0\r\n.\r\n".to_vec()].concat();
        for piece in [1, 50, wire.len()] {
            let mut reader = DotReader::new(100, BareLineEnds::Refuse);
            for chunk in wire.chunks(piece) {
                reader.read(chunk);
            }
            assert_eq!(reader.finish(), Err(cause), "{before} by {piece}");
        }
    }
}

#[test]
fn only_chunks_with_a_dot_at_a_line_start_are_copied() {
    let plain = Bytes::from_static(b"a.b\r\nc\r\n");
    let dotted = Bytes::from_static(b".d\r\n..\r\n");
    let stuffed = stuff(vec![plain.clone(), dotted]).unwrap();
    assert_eq!(stuffed[0].as_ptr(), plain.as_ptr());
    assert_eq!(stuffed[1], "..d\r\n...\r\n");
    assert_eq!(stuffed[2], ".\r\n");
}

#[test]
fn the_final_dot_stands_alone() {
    let wire = |chunks: &[&'static str]| {
        stuff(
            chunks
                .iter()
                .map(|c| Bytes::from_static(c.as_bytes()))
                .collect(),
        )
        .map(|stuffed| stuffed.concat())
    };
    assert_eq!(wire(&[]).unwrap(), b".\r\n");
    assert_eq!(wire(&["a"]).unwrap(), b"a\r\n.\r\n");
    assert_eq!(
        wire(&["a\r", "\n", ".b\r\n"]).unwrap(),
        b"a\r\n..b\r\n.\r\n"
    );
    assert_eq!(wire(&["a\r\n", "", "."]).unwrap(), b"a\r\n..\r\n.\r\n");
    for bare in [
        &["a\nb"][..],
        &["a\rb"],
        &["a\r"],
        &["a\r", "b"],
        &["\n"],
        &["a", "\n"],
        &["\r\r\n"],
    ] {
        assert_eq!(wire(bare), Err(BareLineEnd), "{bare:?}");
    }
}

/// Messages of the octets that matter.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        4 => Just(b".".to_vec()),
        4 => "[a-z]{1,5}".prop_map(String::into_bytes),
        1 => Just(vec![0xe4]),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_stuffed_is_read_again(message in message(), at in any::<Index>(), piece in 1_usize..9) {
        let (head, tail) = message.split_at(at.index(message.len() + 1));
        let chunks = vec![Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail)];
        let wire = stuff(chunks).unwrap().concat();
        let (read, taken) = read(&wire, piece, BareLineEnds::Refuse).unwrap();
        let mut expected = message.clone();
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(read.unwrap(), expected);
        prop_assert_eq!(taken, wire.len());
    }

    #[test]
    fn what_is_normalised_can_be_sent(
        wire in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..40),
        piece in 1_usize..9,
    ) {
        let whole = [&wire[..], b"\r\n.\r\n"].concat();
        let (message, taken) = read(&whole, piece, BareLineEnds::Normalise).unwrap();
        prop_assert!(stuff(vec![message.clone().unwrap()]).is_ok());
        let (at_once, taken_at_once) = read(&whole, whole.len(), BareLineEnds::Normalise).unwrap();
        prop_assert_eq!((message, taken), (at_once, taken_at_once));
    }
}
