//! `postbell dev`: the same server on loopback, with a far side on this machine.
//!
//! Mail to any domain goes to an MX of our own, events to a receiver of our own that verifies
//! their signatures and shows them as they arrive. No mail leaves the machine. The MX is the simulator
//! of `postbell serve`, for all domains; the DNS and the receiver are here alone.

mod expected;
mod far_side;
mod mailbox;
mod setup;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use postbell_model::Clock;
use postbell_peers::client::{ClientOptions, SmtpClient};
use postbell_peers::sample;
use postbell_peers::timeline::{self, Look};
use postbell_peers::webhook::Post;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::DevArgs;
use crate::console::{Console, Style};
use crate::lifecycle::{Signals, SystemClock};
use crate::logging;
use crate::observe::Panics;
use crate::server::Server;
use crate::simulator::doors;

use expected::Expected;
use far_side::FarSide;
use setup::{CA, CREDENTIAL, FROM_DOMAINS, Folder, TO_DOMAIN};

/// What the far side may take to end; nothing depends on it any more.
const FAR_SIDE_LIMIT: Duration = Duration::from_secs(2);
/// After this long without all events, the invitation is shown all the same.
const SAMPLE_PATIENCE: Duration = Duration::from_secs(30);

/// Runs until Ctrl-C, or with `--once` until the sample's events have arrived.
pub(crate) async fn run(args: &DevArgs, console: Console) -> anyhow::Result<()> {
    setup::check_ports(args)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut signals = Signals::listen()?;
    let folder = Folder::open(args.data.as_deref())?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());

    let mut far_side = setup::far_side(&folder, &clock, &tasks, stop.clone()).await?;
    let config = setup::config(args, &folder, &far_side)?;
    logging::start(&config.log)?;
    let panics = Panics::default();
    panics.watch();
    let server = Server::start(&config, clock, &panics).await?;
    far_side.answer_at(doors(&config, server.addresses()));

    tell_ready(&server, &far_side, &folder, console);
    let outcome = tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}");
            Ok(())
        }
        trouble = server.trouble() => Err(trouble.into()),
        outcome = show(args, &server, &mut far_side, console) => outcome,
    };
    let ending = async {
        server.shut_down().await;
        stop.cancel();
        tasks.close();
        // What is late ends with the process.
        let _ = tokio::time::timeout(FAR_SIDE_LIMIT, tasks.wait()).await;
    };
    signals.or_exit(ending).await;
    folder.remove_if_temporary();
    outcome
}

fn tell_ready(server: &Server, far_side: &FarSide, folder: &Folder, console: Console) {
    let title = format!("postbell {} dev", env!("CARGO_PKG_VERSION"));
    let title = console.styled(Style::Strong, &title);
    console.say(format!(
        "{title}: all of it on this machine; no mail leaves it\n"
    ));
    let row = |name: &str, text: &dyn fmt::Display| {
        let name = console.styled(Style::Faint, &format!("{name:<11}"));
        console.say(format!("  {name} {text}"));
    };
    let addresses = server.addresses();
    for address in &addresses.submission {
        let from = FROM_DOMAINS.join(" and ");
        let text = format!(
            "{address}, from {from}, with STARTTLS or without; no password needed, \
             \"{CREDENTIAL}\" with password \"{CREDENTIAL}\" works"
        );
        row("submission", &text);
    }
    for address in &addresses.submission_tls {
        let ca = folder.certs().join(CA);
        let text = format!("{address}, under TLS; its authority: {}", ca.display());
        row("submissions", &text);
    }
    for address in &addresses.inbound {
        let domains = FROM_DOMAINS.join(" and ");
        let text = format!("{address}, mail from outside: answers, and to anybody at {domains}");
        row("inbound", &text);
    }
    for address in &addresses.tracking {
        row(
            "tracking",
            &format!("http://{address}, where links and pixels lead"),
        );
    }
    for address in &addresses.http {
        row("health", &format!("http://{address}/readyz"));
        row("metrics", &format!("http://{address}/metrics"));
    }
    row("far side", far_side);
    let mail = folder.mail();
    row("mail", &format!("{}, one .eml file each", mail.display()));
    row("data", folder);
    let data = folder.data();
    let look = format!("postbell trace --all --data-dir {}", data.display());
    row("look", &look);
    console.say("");
}

/// Sends the sample and shows events as they arrive.
async fn show(
    args: &DevArgs,
    server: &Server,
    far_side: &mut FarSide,
    console: Console,
) -> anyhow::Result<()> {
    send_sample(server).await?;
    console.say("Eleven mails are on their way. Each event that reaches the webhook is a line:\n");
    let mut expected = Expected::new();
    if args.once {
        let sample = collect(&mut expected, far_side, console);
        return match tokio::time::timeout(args.deadline, sample).await {
            Ok(collected) => collected.map(|()| console.say("\nAll of them have arrived.")),
            Err(_) => bail!(
                "after {:?} these had not arrived: {expected}",
                args.deadline
            ),
        };
    }
    let sample = collect(&mut expected, far_side, console);
    if let Ok(collected) = tokio::time::timeout(SAMPLE_PATIENCE, sample).await {
        collected?;
    }
    invite(server, console);
    loop {
        show_next(far_side, console).await?;
    }
}

async fn send_sample(server: &Server) -> anyhow::Result<()> {
    let address = server.addresses().submission.first();
    let address = *address.context("there is no submission listener")?;
    let mut client = SmtpClient::connect(address, &ClientOptions::default())
        .await
        .context("the sample can't be sent")?;
    for mail in sample::mails(FROM_DOMAINS[0], TO_DOMAIN) {
        let outcome = client
            .send(&mail)
            .await
            .context("the sample can't be sent")?;
        if !outcome.is_taken() {
            bail!("the sample was refused: {}", outcome.deciding());
        }
    }
    // A client that is not thanked for its QUIT has handed everything in all the same.
    let _ = client.quit().await;
    Ok(())
}

async fn collect(
    expected: &mut Expected,
    far_side: &mut FarSide,
    console: Console,
) -> anyhow::Result<()> {
    while !expected.is_complete() {
        let post = show_next(far_side, console).await?;
        if !post.signature.is_fine() {
            bail!("an event arrived with a wrong signature");
        }
        if let Ok(event) = post.json() {
            expected.arrived(&event);
        }
    }
    Ok(())
}

async fn show_next(far_side: &mut FarSide, console: Console) -> anyhow::Result<Arc<Post>> {
    let post = far_side.next_post().await;
    let post = post.context("the webhook receiver is gone")?;
    let look = if console.is_coloured() {
        Look::Coloured
    } else {
        Look::Plain
    };
    console.say(format!("  {}", timeline::line_of_post(&post, look)));
    Ok(post)
}

fn invite(server: &Server, console: Console) {
    if let Some(address) = server.addresses().submission.first() {
        let host = address.ip().to_string();
        let text = sample::invitation(&host, address.port(), FROM_DOMAINS[0], CREDENTIAL);
        console.say(format!("\n{text}\nCtrl-C ends it.\n"));
    }
}
