use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{Address, Monotonic, Phase, ReversePath};
use postbell_smtp::{
    Client, ClientOptions, ClientStep, DsnRequest, StartTls, Transaction, TransactionEnd,
};

use crate::input::{Input, sizes};

const NOW: Monotonic = Monotonic(Duration::ZERO);
const TRANSACTIONS: usize = 3;
const BODY: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";
const WIRE: &[u8] = b"Subject: x\r\n\r\n..dot\r\n.\r\n";

/// Whatever a host says, line by line: a message is told as taken only where the host said as many
/// times yes as it takes, it is sent at most once for each transaction, nothing is lost without a
/// word, and the cuts within a line do not matter. The first octet chooses how TLS is asked for.
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let start_tls = match input.octet() % 4 {
        0 => StartTls::WhenOffered,
        1 => StartTls::Required,
        2 => StartTls::Active,
        _ => StartTls::Never,
    };
    let size = input.octet();
    let said = input.rest();
    let [whole, others @ ..] = sizes(said.len(), size).map(|size| {
        let mut session = Session::new(start_tls);
        session.play(said, size);
        session
    });
    check(&whole, said);
    for cut in others {
        assert_eq!(whole.wrote, cut.wrote);
        assert_eq!(whole.ends, cut.ends);
    }
}

struct Session {
    client: Client,
    wrote: Vec<u8>,
    begun: usize,
    ends: Vec<TransactionEnd>,
    over: bool,
}

impl Session {
    fn new(start_tls: StartTls) -> Self {
        let options = ClientOptions {
            ehlo_name: "out.test".to_owned(),
            max_reply: 1_000,
            ..ClientOptions::default()
        };
        let mut session = Self {
            client: Client::new(Arc::new(options), start_tls, NOW),
            wrote: Vec::new(),
            begun: 0,
            ends: Vec::new(),
            over: false,
        };
        session.run();
        session
    }

    /// Each line by itself, since what comes before its command is not believed, and cut.
    fn play(&mut self, said: &[u8], size: usize) {
        for line in said.split_inclusive(|octet| *octet == b'\n') {
            for piece in line.chunks(size) {
                self.client.handle(piece, NOW);
            }
            self.run();
        }
        self.client.closed(NOW);
        self.run();
        assert!(self.over);
    }

    fn run(&mut self) {
        loop {
            match self.client.poll() {
                ClientStep::Read => return,
                ClientStep::Close => return self.over = true,
                ClientStep::Write(chunks) => self.wrote.extend(chunks.concat()),
                ClientStep::StartTls => self.client.secured(NOW),
                ClientStep::Ready => self.send(),
                ClientStep::Done(end) => {
                    let next = end.reusable;
                    self.ends.push(end);
                    if next {
                        self.send();
                    }
                }
                ClientStep::Failed { reply, .. } => assert!(reply.code >= 400),
            }
        }
    }

    fn send(&mut self) {
        if self.begun == TRANSACTIONS {
            return;
        }
        self.begun += 1;
        let address = |text| Address::parse(text).expect("it is an address");
        let transaction = Transaction {
            from: ReversePath::Mailbox(address("a@b.example")),
            to: address("c@d.example"),
            body: vec![Bytes::from_static(BODY)],
            eight_bit: false,
            smtputf8: false,
            dsn: DsnRequest::default(),
        };
        self.client.send(transaction, NOW);
    }
}

fn check(session: &Session, said: &[u8]) {
    assert_eq!(session.ends.len(), session.begun);
    let is_taken = |end: &&TransactionEnd| end.phase == Phase::Message && end.reply.code / 100 == 2;
    let taken = session.ends.iter().filter(is_taken).count();
    let lines = |digit: u8| {
        said.split(|octet| *octet == b'\n')
            .filter(move |line| line.first() == Some(&digit))
    };
    assert!(taken <= lines(b'3').count());
    // The greeting, EHLO, and MAIL, RCPT and the final dot of each.
    assert!(taken == 0 || lines(b'2').count() >= 2 + 3 * taken);
    let sent = session
        .wrote
        .windows(WIRE.len())
        .filter(|at| *at == WIRE)
        .count();
    assert!(taken <= sent && sent <= session.begun);
    for end in session.ends.iter().filter(is_taken) {
        assert!(end.from_peer);
    }
}
