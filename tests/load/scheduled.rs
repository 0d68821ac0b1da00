//! What waiting mail costs in memory: schedules many deliveries and looks at the server in between.
//!
//! ```text
//! cargo run --release -p postbell-tests --bin scheduled -- --deliveries 200000
//! ```
//!
//! Nothing is sent: all of it waits for the end of the century.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::ensure;
use bytes::Bytes;
use clap::Parser;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use postbell_tests::installation::{Installation, Plan, SENDER_DOMAIN, Server};

/// How often the server is looked at.
const LOOKS: u64 = 4;
const LINE: &str = "The quick brown fox jumps over the lazy dog, and then it rests a while.\r\n";

/// Schedules mail and says what the server's memory makes of it.
#[derive(Debug, Parser)]
#[command(name = "scheduled", max_term_width = 100)]
struct Args {
    /// How many deliveries are scheduled
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(100..=5_000_000))]
    deliveries: u64,
    /// Recipients of one message of 2 KiB
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    recipients: u64,
    /// The program [default: postbell, beside this one]
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let installation = Installation::make(Plan {
        binary: args.binary.clone(),
        parent: None,
        dns: nobody,
        mx_port: nobody.port(),
        webhook: None,
        settings: vec![("accept.schedule_max".to_owned(), "36500d".to_owned())],
    });
    let installation = installation.await?;
    let mut server = installation.spawn()?;
    server.greets().await?;
    let mut table = format!("{:>12} {:>12}\n", "scheduled", "memory, MiB");
    let mut scheduled = 0;
    look(&server, scheduled, &mut table)?;
    let mut client = SmtpClient::connect(installation.smtp(), &ClientOptions::default()).await?;
    while scheduled < args.deliveries {
        let outcome = client.send(&mail(scheduled, args.recipients)).await?;
        ensure!(outcome.is_taken(), "refused: {}", outcome.deciding());
        let before = scheduled;
        scheduled += args.recipients;
        let step = args.deliveries / LOOKS;
        if before / step < scheduled / step {
            look(&server, scheduled, &mut table)?;
        }
    }
    client.quit().await?;
    server.stop().await?;
    say(&table);
    Ok(())
}

fn look(server: &Server, scheduled: u64, table: &mut String) -> anyhow::Result<()> {
    let memory = server.usage()?.memory;
    table.push_str(&format!("{scheduled:>12} {:>12}\n", memory >> 20));
    Ok(())
}

fn mail(number: u64, recipients: u64) -> Mail {
    let from = format!("load@{SENDER_DOMAIN}");
    let to = (number..number + recipients).map(|n| format!("user{n}@domain{}.test", n % 1_000));
    let mut body = format!(
        "From: <{from}>\r\nSubject: Later {number}\r\n\
         X-Postbell-Send-At: 2099-12-31T23:59:59Z\r\n\r\n"
    );
    while body.len() < 2_048 {
        body.push_str(LINE);
    }
    Mail {
        from,
        to: to.collect(),
        parameters: String::new(),
        body: Bytes::from(body),
    }
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn say(table: &str) {
    print!("{table}");
}
