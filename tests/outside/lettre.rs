//! Submits one mail with lettre, as an application would.
//!
//!     cargo run -p postbell-tests --example lettre -- 127.0.0.1 2525 me@sender.example you@example.org

use anyhow::Context;
use lettre::message::header::ContentType;
use lettre::{Message, SmtpTransport, Transport};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let mut next = |name: &'static str| words.next().context(name);
    let host = next("first the host")?;
    let port = next("then the port")?.parse()?;
    let mail = Message::builder()
        .from(next("then the sender")?.parse()?)
        .to(next("then the recipient")?.parse()?)
        .subject("From lettre")
        .header(ContentType::TEXT_PLAIN)
        .body("Sent by lettre.".to_owned())?;
    SmtpTransport::builder_dangerous(host)
        .port(port)
        .build()
        .send(&mail)?;
    Ok(())
}
