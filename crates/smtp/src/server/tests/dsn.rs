//! What is asked about reports: offered always, kept with the message that it was said for.

use postbell_model::{Notify, Ret};

use super::*;

const SENT: &str = "EHLO c\r\n\
    MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B314159\r\n\
    RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;C+2Bx@d.example\r\n\
    RCPT TO:<no@d.example> NOTIFY=NEVER\r\n\
    RCPT TO:<e@d.example>\r\n\
    DATA\r\nx\r\n.\r\n\
    MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\ny\r\n.\r\n";

fn play(pieces: &[&[u8]]) -> Session {
    let options = ServerOptions {
        max_commands: 100,
        ..options()
    };
    let mut server = Server::new(Arc::new(options), PLAIN, NOW);
    let mut session = Session::default();
    session.run(&mut server);
    for piece in pieces {
        session.feed(&mut server, piece);
    }
    session
}

#[test]
fn what_is_asked_stays_with_its_message() {
    let session = play(&[SENT.as_bytes()]);
    assert!(session.said.contains("\r\n250 DSN\r\n"), "{}", session.said);
    let [first, second] = session.messages.as_slice() else {
        panic!("two messages: {}", session.said);
    };
    let envelope = &first.envelope;
    assert_eq!(envelope.ret, Some(Ret::Headers));
    assert_eq!(envelope.envid.as_deref(), Some("QQ+314159"));
    let [with, without] = envelope.recipients.as_slice() else {
        panic!("two recipients");
    };
    let notify = Notify {
        success: true,
        failure: false,
        delay: true,
    };
    assert_eq!(with.report.notify, Some(notify));
    let orcpt = with.report.orcpt.as_ref().map(ToString::to_string);
    assert_eq!(orcpt.as_deref(), Some("rfc822;C+x@d.example"));
    assert_eq!(without.report, ReportRequest::default());
    let envelope = &second.envelope;
    assert_eq!((envelope.ret, &envelope.envid), (None, &None));
    assert_eq!(envelope.recipients[0].report, ReportRequest::default());
}

#[test]
fn the_cuts_between_reads_do_not_matter() {
    let whole = play(&[SENT.as_bytes()]);
    for at in 0..SENT.len() {
        let (head, tail) = SENT.as_bytes().split_at(at);
        let cut = play(&[head, tail]);
        assert_eq!(cut.said, whole.said, "cut at {at}");
        assert_eq!(cut.messages, whole.messages, "cut at {at}");
    }
    let octets: Vec<_> = SENT.as_bytes().chunks(1).collect();
    assert_eq!(play(&octets).messages, whole.messages);
}

#[test]
fn an_original_recipient_outside_ascii_needs_smtputf8() {
    let sent = "EHLO c\r\nMAIL FROM:<a@b.example>\r\n\
        RCPT TO:<c@d.example> ORCPT=utf-8;jörg@d.example\r\n\
        RCPT TO:<c@d.example> ORCPT=utf-8;j\\x{F6}rg@d.example\r\n\
        RSET\r\nMAIL FROM:<a@b.example> SMTPUTF8\r\n\
        RCPT TO:<c@d.example> ORCPT=utf-8;jörg@d.example\r\n";
    let (got, _) = codes(sent.as_bytes());
    assert_eq!(got, [250, 250, 553, 250, 250, 250, 250]);
}

#[test]
fn where_it_is_not_offered_its_parameters_are_unknown() {
    let terms = Terms {
        reports: Reports::None,
        ..PLAIN
    };
    let mut server = server_on(terms);
    let mut session = Session::default();
    session.run(&mut server);
    let said = b"EHLO c\r\nMAIL FROM:<a@b.example> RET=FULL\r\nMAIL FROM:<a@b.example> ENVID=x\r\n\
        MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example> NOTIFY=NEVER\r\n\
        RCPT TO:<c@d.example> ORCPT=rfc822;c@d.example\r\nRCPT TO:<c@d.example>\r\n";
    session.feed(&mut server, said);
    assert!(!session.said.contains("DSN"), "{}", session.said);
    let refused = session.said.matches("\r\n555 5.5.4 ").count();
    assert_eq!(refused, 4, "{}", session.said);
    assert!(session.said.ends_with("250 2.1.5 Recipient OK\r\n"));
}

#[test]
fn a_client_that_is_turned_away_hears_it_and_nothing_more() {
    let mut server = server();
    let mut session = Session::default();
    session.run(&mut server);
    session.feed(
        &mut server,
        SENT.split_inclusive("DATA\r\n").next().unwrap().as_bytes(),
    );
    assert!(server.is_receiving());
    server.turn_away(&Reply::new(421, 3, 1, "Too much"));
    session.run(&mut server);
    session.feed(&mut server, b"x\r\n.\r\n");
    assert!(
        session.said.ends_with("421 4.3.1 Too much\r\n"),
        "{}",
        session.said
    );
    assert!(session.closed && session.messages.is_empty());
}
