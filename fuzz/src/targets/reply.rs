use bytes::BytesMut;
use postbell_model::Reply;
use postbell_smtp::reply::{ReplyError, ReplyReader, write};

use crate::input::{Input, sizes};

const MAX: usize = 2_000;

/// The cuts between reads do not matter, nothing longer than the limit is kept, and a reply that
/// is written again is the same to every reader.
pub fn reply(data: &[u8]) {
    let mut input = Input::new(data);
    let size = input.octet();
    let said = input.rest();
    let [whole, others @ ..] = sizes(said.len(), size).map(|size| read(said, size));
    for cut in others {
        assert_eq!(cut, whole);
    }
    for reply in &whole.0 {
        check(reply);
    }
}

/// All replies, and what ended them.
fn read(said: &[u8], size: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let mut reader = ReplyReader::new(MAX);
    let mut replies = Vec::new();
    for piece in said.chunks(size) {
        let mut rest = piece;
        loop {
            match reader.read(rest) {
                Ok((Some(reply), after)) => {
                    replies.push(reply);
                    rest = after;
                }
                Ok((None, _)) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fn check(reply: &Reply) {
    assert!((200..600).contains(&reply.code));
    // An octet is shown as four characters at most.
    assert!(reply.text.len() <= 4 * MAX);
    assert!(!reply.text.chars().any(|c| c.is_control() && c != '\n'));
    let once = written(reply);
    for line in once.split_inclusive(|octet| *octet == b'\n') {
        assert!(line.len() <= 512 && line.ends_with(b"\r\n"));
    }
    let mut reader = ReplyReader::new(usize::MAX);
    let (again, rest) = reader.read(&once).expect("what we write is a reply");
    let again = again.expect("what we write is whole");
    assert_eq!(rest, b"");
    assert_eq!((again.code, again.enhanced), (reply.code, reply.enhanced));
    assert_eq!(written(&again), once);
}

fn written(reply: &Reply) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(reply, &mut out);
    out.to_vec()
}
