//! `postbell link show`: what the token of a link says.

use anyhow::{Context, anyhow};
use postbell_model::TokenKeys;
use postbell_model::token::{Claim, Link, LinkTarget, Purpose, domain_tag};
use postbell_store::{BlockedLinks, Directory, SqliteInspector};
use serde_json::json;

use super::document;
use crate::admin::desk::{self, Desk};
use crate::cli::Output;
use crate::console::plain;

/// What a token is, and what it says beside whose it is.
#[derive(Debug)]
pub(super) enum Said {
    /// A link, and where it leads.
    Link(Link),
    /// A pixel.
    Pixel,
    /// A page of unsubscribing.
    Unsubscribe,
}

impl Said {
    const fn name(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Pixel => "pixel",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

pub(super) async fn run(desk: &Desk, link: &str, output: &Output) -> anyhow::Result<()> {
    let Some((claim, said)) = read(desk, link) else {
        return Err(no_link(link));
    };
    let directory = desk.directory();
    let workspace = desk::workspace_name(&directory, claim.workspace);
    let (mut domain, mut url, mut index, mut blocks) = (None, None, None, Vec::new());
    if let Said::Link(link) = &said {
        url = target(desk, &link.target).await?;
        index = Some(link.index);
        let domains = directory.domains_of(claim.workspace).into_iter();
        let mut of_tag = domains.filter(|domain| domain_tag(&domain.name) == link.domain_tag);
        domain = of_tag.next().map(|domain| domain.name.to_string());
        let goes_to = url.as_deref().unwrap_or_default();
        blocks = directory.blocks_of(claim.workspace, link.domain_tag, goes_to);
    }
    let documents = blocks.iter().map(|blocked| document(&directory, blocked));
    let document = json!({
        "kind": said.name(),
        "workspace": workspace,
        "delivery": claim.delivery.to_string(),
        "domain": domain,
        "index": index,
        "url": url,
        "blocked": !blocks.is_empty(),
        "blocks": documents.collect::<Vec<_>>(),
    });
    let mut lines = vec![
        format!("a {} in mail of workspace {workspace}", noun(&said)),
        format!("  delivery   {}", claim.delivery),
    ];
    if let Said::Link(_) = &said {
        let gone = "is not kept any more";
        lines.push(format!(
            "  domain     {}",
            domain.as_deref().unwrap_or("is gone")
        ));
        lines.push(format!(
            "  leads to   {}",
            plain(url.as_deref().unwrap_or(gone))
        ));
        lines.push(format!("  blocked    {}", told(&directory, &blocks)));
    }
    lines.push(format!(
        "`postbell message show {}` tells of the message, while it is kept",
        claim.delivery
    ));
    desk.tell(output, &document, &lines.join("\n"));
    Ok(())
}

/// Said of a link that says nothing.
pub(super) fn no_link(link: &str) -> anyhow::Error {
    anyhow!(
        "\"{}\" is no link of this server: its token is cut, changed, or made elsewhere",
        plain(&shortened(link))
    )
}

pub(super) const fn noun(said: &Said) -> &'static str {
    match said {
        Said::Link(_) => "link",
        Said::Pixel => "pixel",
        Said::Unsubscribe => "page of unsubscribing",
    }
}

fn told(directory: &Directory, blocks: &[&BlockedLinks]) -> String {
    let told = blocks.iter().map(|blocked| {
        let (kind, value) = super::kind_and_value(directory, &blocked.block);
        let reason = blocked.reason.as_deref().map(plain);
        let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("{kind} {} since {}{reason}", plain(&value), blocked.since)
    });
    let told: Vec<_> = told.collect();
    match told.is_empty() {
        true => "no".to_owned(),
        false => told.join("; "),
    }
}

/// What a link of ours says, or its token alone; `None`: it is none.
pub(super) fn read(desk: &Desk, link: &str) -> Option<(Claim, Said)> {
    let keys = desk.tenants.token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, secret)| (*id, secret)))?;
    let token = token(link);
    if let Ok((claim, link)) = keys.verify_link(token) {
        return Some((claim, Said::Link(link)));
    }
    let of = |purpose| keys.verify_url(purpose, token).ok();
    let pixel = of(Purpose::Open).map(|claim| (claim, Said::Pixel));
    pixel.or_else(|| of(Purpose::UnsubscribePage).map(|claim| (claim, Said::Unsubscribe)))
}

/// The last part of a link's path.
fn token(link: &str) -> &str {
    let link = link.trim();
    let path = link.find(['?', '#']).map_or(link, |end| &link[..end]);
    path.rsplit('/').next().unwrap_or(path)
}

/// Where a link leads; `None`: its address was long, and is not kept any more.
pub(super) async fn target(desk: &Desk, target: &LinkTarget) -> anyhow::Result<Option<String>> {
    let name = match target {
        LinkTarget::Url(url) => return Ok(Some(url.clone())),
        LinkTarget::Stored(name) => *name,
    };
    let folder = &desk.config.server.data_dir;
    let inspector = SqliteInspector::open(folder).await;
    let inspector =
        inspector.with_context(|| format!("the database in {} can't be read", folder.display()))?;
    let found = inspector.link(name).await;
    inspector.close().await;
    Ok(found?)
}

fn shortened(link: &str) -> String {
    const TOLD_MAX: usize = 80;
    let told: String = link.chars().take(TOLD_MAX).collect();
    let rest = if told.len() < link.len() { "…" } else { "" };
    told + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_with_its_token() {
        for link in [
            "abc",
            " abc ",
            "/c/abc",
            "https://track.acme.example/c/abc",
            "https://track.acme.example/c/abc?x=/y#z",
        ] {
            assert_eq!(token(link), "abc");
        }
    }
}
