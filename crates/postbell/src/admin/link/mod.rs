//! `postbell link`: what a link in a mail is, and which lead nowhere.

mod show;

use anyhow::{Context, bail};
use postbell_model::tracking::LinkBlock;
use postbell_model::web;
use postbell_store::{BlockedLinks, Directory};
use serde_json::{Value, json};

use super::desk::{self, Desk};
use crate::cli::{LinkCommand, Output, WhichLinks};
use crate::console::plain;

/// Octets of an address; nothing longer is tracked.
const URL_MAX: usize = 16 * 1024;

pub(super) async fn run(desk: &Desk, command: &LinkCommand) -> anyhow::Result<()> {
    match command {
        LinkCommand::Block {
            which,
            reason,
            output,
        } => block(desk, which, (reason.clone(), output)).await,
        LinkCommand::Unblock { which, output } => unblock(desk, which, output).await,
        LinkCommand::List { output } => list(desk, output),
        LinkCommand::Show { link, output } => show::run(desk, link, output).await,
    }
}

async fn block(
    desk: &Desk,
    which: &WhichLinks,
    (reason, output): (Option<String>, &Output),
) -> anyhow::Result<()> {
    let directory = desk.directory();
    if let Some(url) = &which.url {
        refuse_ours(desk, url)?;
    }
    let block = meant(desk, which).await?;
    let is_new = desk
        .link_blocks
        .block_links(block.clone(), reason, desk.clock.now())
        .await?;
    let sentence = match is_new {
        true => format!("{} lead nowhere from now on", what(&directory, &block)),
        false => format!("{} were blocked already", what(&directory, &block)),
    };
    let directory = desk.directory();
    let blocked = directory.link_blocks().iter().find(|b| b.block == block);
    let blocked = blocked.context("the block is gone again")?;
    let mut document = document(&directory, blocked);
    document["new"] = json!(is_new);
    desk.tell(output, &document, &sentence);
    Ok(())
}

async fn unblock(desk: &Desk, which: &WhichLinks, output: &Output) -> anyhow::Result<()> {
    let directory = desk.directory();
    let block = meant(desk, which).await?;
    let what = what(&directory, &block);
    if !desk.link_blocks.unblock_links(&block).await? {
        bail!("{what} are not blocked; `postbell link list` tells what is");
    }
    let document = place(&directory, &block);
    desk.tell(output, &document, &format!("{what} lead on again"));
    Ok(())
}

fn list(desk: &Desk, output: &Output) -> anyhow::Result<()> {
    let directory = desk.directory();
    let blocks = directory.link_blocks().iter();
    let documents = blocks.clone().map(|b| document(&directory, b)).collect();
    let rows: Vec<_> = blocks.map(|b| row(&directory, b)).collect();
    let heading = ["KIND", "WHAT", "SINCE", "REASON"];
    desk.tell_list(output, documents, &heading, &rows);
    Ok(())
}

/// What was typed; a tracked link stands for where it leads.
async fn meant(desk: &Desk, which: &WhichLinks) -> anyhow::Result<LinkBlock> {
    if let Some(name) = &which.workspace {
        let directory = desk.directory();
        return Ok(LinkBlock::Workspace(desk::workspace(&directory, name)?.id));
    }
    if let Some(domain) = &which.domain {
        return Ok(LinkBlock::Domain(domain.clone()));
    }
    let url = which.url.as_deref().context("say which links are meant")?;
    if let Some((_, show::Said::Link(link))) = show::read(desk, url) {
        let target = show::target(desk, &link.target).await?;
        let target = target.context("where this link leads is not kept any more")?;
        return Ok(known(desk, LinkBlock::Url(target)));
    }
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        let begins = url.get(..scheme.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(scheme))
    });
    if !is_web || url.len() > URL_MAX || url.chars().any(char::is_control) {
        bail!("\"{}\" is no web address", url.escape_debug());
    }
    Ok(known(desk, LinkBlock::Url(url.to_owned())))
}

/// The block as it was written before, where it was.
fn known(desk: &Desk, block: LinkBlock) -> LinkBlock {
    let normal = block.normal();
    let directory = desk.directory();
    let mut blocks = directory.link_blocks().iter().map(|b| &b.block);
    let known = blocks.find(|known| known.normal() == normal);
    known.cloned().unwrap_or(block)
}

/// No link leads to addresses of ours: one that was blocked would hold nobody back.
fn refuse_ours(desk: &Desk, url: &str) -> anyhow::Result<()> {
    match show::read(desk, url) {
        Some((_, show::Said::Link(_))) => Ok(()),
        Some((_, other)) => bail!("that is a {}, and leads nowhere else", show::noun(&other)),
        None if is_tracking_host(desk, url) => Err(show::no_link(url)),
        None => Ok(()),
    }
}

/// Whether an address is at a host that links of ours are at.
fn is_tracking_host(desk: &Desk, url: &str) -> bool {
    let hosts = web::hosts(url);
    let Some(host) = hosts.first() else {
        return false;
    };
    let base = desk.config.tracking.base_url.as_deref().map(web::hosts);
    base.is_some_and(|base| base.first() == Some(host))
        || desk.directory().domain_tracked_at(host).is_some()
}

/// `links to https://shop.example/`
fn what(directory: &Directory, block: &LinkBlock) -> String {
    match block {
        LinkBlock::Url(url) => format!("links to {}", plain(url)),
        LinkBlock::Domain(domain) => {
            format!("links to {domain} and below it, and links in mail from it,")
        }
        LinkBlock::Workspace(workspace) => format!(
            "links in mail of workspace {}",
            desk::workspace_name(directory, *workspace)
        ),
    }
}

fn document(directory: &Directory, blocked: &BlockedLinks) -> Value {
    let mut document = place(directory, &blocked.block);
    document["reason"] = json!(blocked.reason);
    document["since"] = json!(blocked.since.to_string());
    document
}

fn place(directory: &Directory, block: &LinkBlock) -> Value {
    let (kind, value) = kind_and_value(directory, block);
    json!({ "kind": kind, "value": value })
}

fn kind_and_value(directory: &Directory, block: &LinkBlock) -> (&'static str, String) {
    match block {
        LinkBlock::Url(url) => ("url", url.clone()),
        LinkBlock::Domain(domain) => ("domain", domain.to_string()),
        LinkBlock::Workspace(id) => ("workspace", desk::workspace_name(directory, *id)),
    }
}

fn row(directory: &Directory, blocked: &BlockedLinks) -> Vec<String> {
    let (kind, value) = kind_and_value(directory, &blocked.block);
    vec![
        kind.to_owned(),
        plain(&value),
        blocked.since.to_string(),
        blocked.reason.as_deref().map(plain).unwrap_or_default(),
    ]
}
