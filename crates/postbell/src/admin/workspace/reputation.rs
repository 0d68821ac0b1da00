//! `postbell workspace reputation`: how its mail fares, and what is too much.

use anyhow::Context;
use postbell_model::reputation::{Figures, Share};
use postbell_model::{Sender, Timestamp, WorkspaceId};
use postbell_store::SqliteInspector;
use serde_json::json;

use crate::admin::desk::{self, Desk};
use crate::admin::sending;
use crate::cli::WorkspaceNamed;
use crate::config::{ReputationAction, ReputationSection, format_duration};
use crate::console::Style;

pub(super) async fn show(desk: &Desk, named: &WorkspaceNamed) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &named.name)?;
    let options = &desk.config.reputation;
    let since = desk.clock.now().before(options.window);
    let figures = figures(desk, workspace.id, since).await?;
    let passed = figures.judge(&options.limits());
    let sending = directory.sending(&Sender::Workspace(workspace.id));
    let document = json!({
        "workspace": workspace.name,
        "window": format_duration(options.window),
        "outcomes": figures.outcomes,
        "complaints": figures.complaints,
        "hardBounces": figures.hard_bounces,
        "complaintShare": share(figures.complaints, &figures),
        "hardBounceShare": share(figures.hard_bounces, &figures),
        "limits": {
            "minVolume": options.min_volume,
            "complaintShare": options.max_complaints.fraction(),
            "hardBounceShare": options.max_hard_bounces.fraction(),
        },
        "action": options.action.name(),
        "passed": passed.map(|passed| passed.to_string()),
        "sending": sending::document(sending),
    });
    let verdict = match passed {
        Some(passed) => desk.console.styled(Style::Strong, &passed.to_string()),
        None if figures.outcomes < options.min_volume => {
            format!("too little to judge: less than {}", options.min_volume)
        }
        None => desk.console.styled(Style::Good, "within the limits"),
    };
    let title = format!(
        "{}, the last {}",
        workspace.name,
        format_duration(options.window)
    );
    let lines = [
        desk.console.styled(Style::Strong, &title),
        format!("  ended          {}", figures.outcomes),
        row(
            "complaints",
            figures.complaints,
            (&figures, options.max_complaints),
        ),
        row(
            "hard bounces",
            figures.hard_bounces,
            (&figures, options.max_hard_bounces),
        ),
        format!("  verdict        {verdict}"),
        format!("  then           {}", then(options)),
        format!("  sending        {}", sending::told(sending)),
    ];
    desk.tell(&named.output, &document, &lines.join("\n"));
    Ok(())
}

async fn figures(desk: &Desk, workspace: WorkspaceId, since: Timestamp) -> anyhow::Result<Figures> {
    let folder = &desk.config.server.data_dir;
    let inspector = SqliteInspector::open(folder)
        .await
        .with_context(|| format!("the database in {} can't be read", folder.display()))?;
    let all = inspector.reputations(since).await;
    inspector.close().await;
    let found = all?.into_iter().find(|(of, _)| *of == workspace);
    Ok(found.map(|(_, figures)| figures).unwrap_or_default())
}

/// A part of one; nothing where nothing has ended.
fn share(count: u64, figures: &Figures) -> Option<f64> {
    (figures.outcomes > 0).then(|| Share::of(count, figures.outcomes).fraction())
}

fn row(name: &str, count: u64, (figures, limit): (&Figures, Share)) -> String {
    let share = Share::of(count, figures.outcomes);
    format!("  {name:<14} {count} ({share}; at most {limit})")
}

/// What is done where a limit is passed.
const fn then(options: &ReputationSection) -> &'static str {
    match options.action {
        ReputationAction::Pause => "who passes a limit is paused",
        ReputationAction::Warn => "who passes a limit is told of in the log",
        ReputationAction::Off => "nothing is counted: reputation.action is off",
    }
}
