//! `postbell destination`.

mod add;
mod calls;
mod change;
mod preview;
mod replay;
mod secret;
mod settings;
mod show;
mod trial;

use anyhow::bail;
use postbell_model::{Destination, DestinationId};
use postbell_store::Directory;

use super::desk::{self, Desk};
use crate::cli::{DestinationCommand, WhichDestination};

pub(super) async fn run(desk: &Desk, command: &DestinationCommand) -> anyhow::Result<()> {
    match command {
        DestinationCommand::Add(wanted) => add::add(desk, wanted).await,
        DestinationCommand::List(list) => show::list(desk, list),
        DestinationCommand::Show { which, output } => show::show(desk, which, output).await,
        DestinationCommand::Update(update) => change::update(desk, update).await,
        DestinationCommand::Remove { which, yes, output } => {
            change::remove(desk, which, (*yes, output)).await
        }
        DestinationCommand::RotateSecret {
            which,
            overlap,
            secret_file,
            output,
        } => {
            let new = (secret_file.as_deref(), *overlap);
            secret::rotate(desk, which, new, output).await
        }
        DestinationCommand::Log {
            which,
            failed,
            limit,
            output,
        } => calls::log(desk, which, (*failed, *limit), output).await,
        DestinationCommand::Dead {
            which,
            limit,
            output,
        } => calls::dead(desk, which, *limit, output).await,
        DestinationCommand::Replay(replay) => replay::run(desk, replay).await,
        DestinationCommand::Test { which, output } => trial::run(desk, which, output).await,
        DestinationCommand::Preview {
            event,
            sample,
            format,
            output,
        } => {
            let format = format.parse()?;
            match (event, sample) {
                (Some(event), _) => preview::of_event(desk, event, format, output).await,
                (None, Some(kind)) => preview::made_up(desk, kind, format, output),
                (None, None) => bail!("say which event with --event, or a kind with --sample"),
            }
        }
    }
}

/// The destination that is meant: by its id, or by a name that only one has.
fn find<'a>(directory: &'a Directory, which: &WhichDestination) -> anyhow::Result<&'a Destination> {
    let wanted = which.destination.as_str();
    let id: Option<DestinationId> = wanted.parse().ok();
    let workspace = match &which.workspace {
        Some(name) => Some(desk::workspace(directory, name)?.id),
        None => None,
    };
    let found: Vec<_> = directory
        .destinations()
        .iter()
        .filter(|d| id.map_or(d.name == wanted, |id| d.id == id))
        .filter(|d| workspace.is_none_or(|workspace| d.workspace == workspace))
        .filter(|d| is_of_set(directory, d, which))
        .collect();
    match found[..] {
        [found] => Ok(found),
        [] => bail!(
            "there is no destination \"{}\" there; `postbell destination list` shows all",
            wanted.escape_debug()
        ),
        _ => bail!(
            "{} destinations are named \"{wanted}\": say --workspace, and --config-set or \
             --whole-workspace, or the id",
            found.len()
        ),
    }
}

fn is_of_set(directory: &Directory, destination: &Destination, which: &WhichDestination) -> bool {
    let set = destination.configuration_set;
    match &which.config_set {
        Some(name) => set.is_some_and(|set| desk::set_name(directory, set) == *name),
        None => !which.whole_workspace || set.is_none(),
    }
}
