//! What an operator sees and does: the queue, a message's history, the events, mail that came in.
//!
//! Looking needs no server: the database is read beside it. Acting is done by whoever has the
//! store: the running server, or this process where there is none.

mod act;
mod events;
mod hand;
mod inbound;
mod lanes;
mod message;
mod pauses;
mod queue;
mod sites;
mod which;

use std::sync::Arc;

use anyhow::{Context, bail};
use postbell_model::{Clock, Timestamp};
use postbell_store::{Directory, SqliteInspector, SqliteTenants, Tenants};

use crate::cli::{EventsCommand, InboundCommand, MessageCommand, QueueArgs, QueueCommand};
use crate::config::Config;
use crate::console::Console;
use crate::lifecycle::SystemClock;

/// What an operator asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Queue(Box<QueueArgs>),
    Message(MessageCommand),
    Events(EventsCommand),
    Inbound(InboundCommand),
}

/// What the answers are made of.
struct Window<'c> {
    config: &'c Config,
    inspector: SqliteInspector,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    console: Console,
}

impl Window<'_> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Carries a request out.
pub(crate) async fn run(request: Request, config: &Config, console: Console) -> anyhow::Result<()> {
    let window = open(config, console).await?;
    let outcome = answer(request, &window).await;
    window.inspector.close().await;
    outcome
}

async fn open(config: &Config, console: Console) -> anyhow::Result<Window<'_>> {
    let folder = &config.server.data_dir;
    if !folder.exists() {
        bail!(
            "there is no data folder {} (server.data_dir); the first `postbell workspace add` makes it",
            folder.display()
        );
    }
    let unusable = || format!("the database in {} can't be read", folder.display());
    let tenants = SqliteTenants::open(folder).await.with_context(unusable)?;
    let directory = tenants.directory();
    tenants.close().await;
    Ok(Window {
        config,
        inspector: SqliteInspector::open(folder).await.with_context(unusable)?,
        directory,
        clock: Arc::new(SystemClock::new()),
        console,
    })
}

async fn answer(request: Request, window: &Window<'_>) -> anyhow::Result<()> {
    match request {
        Request::Queue(mut args) => match args.command.take() {
            None => lanes::show(window, &args).await,
            Some(QueueCommand::Show(list)) => queue::show(window, &list).await,
            Some(command) => act::run(window, command).await,
        },
        Request::Message(MessageCommand::Show { id, output }) => {
            message::show(window, &id, &output).await
        }
        Request::Events(EventsCommand::List {
            which,
            since,
            limit,
            output,
        }) => events::list(window, &which, (since, limit), &output).await,
        Request::Events(EventsCommand::Tail { which, output }) => {
            events::tail(window, &which, &output).await
        }
        Request::Inbound(command) => inbound::answer(window, command).await,
    }
}
