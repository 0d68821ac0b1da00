//! `postbell erase`: counted first, done with `--yes`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use postbell_model::{Address, Clock, WorkspaceId};
use postbell_store::{
    Action, DeliveryFilter, Directory, SqliteTenants, Tenants, Traces, erase, traces,
};
use serde_json::json;

use crate::admin::workspace_named;
use crate::cli::EraseArgs;
use crate::config::Config;
use crate::console::Console;
use crate::lifecycle::SystemClock;
use crate::operator::hand::Hand;

pub(super) async fn run(args: &EraseArgs, config: &Config, console: Console) -> anyhow::Result<()> {
    let folder = config.server.data_dir.as_path();
    let address = Address::parse(&args.address)
        .with_context(|| format!("\"{}\" is no address", args.address.escape_debug()))?;
    let directory = directory(folder).await?;
    let workspace = match &args.workspace {
        Some(name) => Some(workspace_named(&directory, name)?.id),
        None => None,
    };
    let found = traces(folder, &address, workspace)
        .await
        .context("what is known of the address can't be counted")?;
    if !args.yes {
        tell(args, console, ("would be", &found));
        return Ok(());
    }
    if found.waiting > 0 {
        cancel((&found.spellings, workspace), (config, &directory)).await?;
    }
    let mut erased = erase(folder, &address, workspace)
        .await
        .context("not all could be erased; the same command erases the rest")?;
    if erased.waiting > 0 {
        let waiting = erased.waiting;
        bail!(
            "{waiting} deliveries to it are being sent or came meanwhile: give the command again"
        );
    }
    erased.waiting = found.waiting;
    tell(args, console, ("were", &erased));
    Ok(())
}

async fn directory(folder: &Path) -> anyhow::Result<Arc<Directory>> {
    let tenants = SqliteTenants::open(folder)
        .await
        .with_context(|| format!("the database in {} can't be read", folder.display()))?;
    let directory = tenants.directory();
    tenants.close().await;
    Ok(directory)
}

/// Takes back what waits: by the server that runs, or by this process where there is none.
async fn cancel(
    (addresses, workspace): (&[Address], Option<WorkspaceId>),
    (config, directory): (&Config, &Directory),
) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let hand = Hand {
        config,
        directory,
        clock: &clock,
    };
    for address in addresses {
        let filter = DeliveryFilter {
            workspace,
            recipient: Some(address.clone()),
            ..DeliveryFilter::default()
        };
        let cancelled = hand.operate(&filter, &Action::Cancel, |_| ()).await;
        let cancelled =
            cancelled.context("nothing was erased: mail that waits was not cancelled")?;
        if let Some(why) = cancelled.broken_off {
            bail!("nothing was erased: mail that waits was not all cancelled: {why}");
        }
    }
    Ok(())
}

fn tell(args: &EraseArgs, console: Console, (verb, traces): (&str, &Traces)) {
    if args.output.json {
        let document = json!({
            "done": args.yes,
            "deliveries": traces.deliveries,
            "cancelled": traces.waiting,
            "events": traces.events,
            "messages": traces.messages,
            "shared": traces.shared,
            "inbound": traces.inbound,
            "bodies": traces.bodies,
        });
        console.say(document.to_string());
        return;
    }
    console.say(format!(
        "{} deliveries with {} events {verb} made nobody's; {} that wait {verb} cancelled first",
        traces.deliveries, traces.events, traces.waiting
    ));
    console.say(format!(
        "{} messages to nobody else {verb} emptied; {} were to others as well and stay theirs",
        traces.messages, traces.shared
    ));
    if traces.inbound > 0 {
        console.say(format!(
            "{} messages that came in {verb} emptied",
            traces.inbound
        ));
    }
    match args.yes {
        true => console.say(format!(
            "{} texts were overwritten. Backups, and consumers of webhooks, have what they have",
            traces.bodies
        )),
        false => console.say("Say --yes to do it"),
    }
}
