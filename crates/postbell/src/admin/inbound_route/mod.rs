//! `postbell inbound route`.

use anyhow::bail;
use postbell_model::{Address, Domain, ForwardTo, InboundRoute, SendingDomain};
use postbell_store::Directory;
use serde_json::{Value, json};

use super::desk::{self, Desk};
use super::{InWorkspace, identity};
use crate::cli::{InboundRouteCommand, InboundRouteNamed, InboundRouteSet};

/// Forwards from route to route that are followed; a longer way is a circle all the same.
const FOLLOWED_MAX: usize = 20;

pub(super) async fn run(desk: &Desk, command: &InboundRouteCommand) -> anyhow::Result<()> {
    match command {
        InboundRouteCommand::Set(wanted) => set(desk, wanted).await,
        InboundRouteCommand::List(list) => tell_all(desk, list),
        InboundRouteCommand::Remove(named) => remove(desk, named).await,
    }
}

async fn set(desk: &Desk, set: &InboundRouteSet) -> anyhow::Result<()> {
    let domain = identity::find(desk, &set.which.domain)?;
    let forward_to = set.forward_to.clone().map(ForwardTo::Address);
    let route = InboundRoute {
        domain: domain.name.clone(),
        workspace: domain.workspace,
        pattern: set.which.pattern.clone(),
        tells: !set.no_event,
        forward: forward_to.or_else(|| set.forward_host.clone()),
    };
    let directory = desk.directory();
    check(&directory, &route, &desk.config.server.hostname)?;
    desk.routes.set_inbound_route(route.clone()).await?;
    desk.tell(
        &set.output,
        &document(&directory, &route),
        &set_sentence(&route, &domain),
    );
    Ok(())
}

async fn remove(desk: &Desk, named: &InboundRouteNamed) -> anyhow::Result<()> {
    let domain = identity::find(desk, &named.which.domain)?;
    let pattern = &named.which.pattern;
    let routes = desk.routes.as_ref();
    routes.remove_inbound_route(&domain.name, pattern).await?;
    let directory = desk.directory();
    let left = directory.inbound_routes_of(&domain.name).len();
    let document = json!({
        "domain": domain.name.as_str(),
        "pattern": pattern.as_str(),
        "routesLeft": left,
    });
    let name = &domain.name;
    let then = match left {
        0 => format!("{name} has none now, and takes mail to all of its addresses"),
        _ => format!("{name} refuses what none of its other {left} names"),
    };
    let sentence = format!("removed the route {pattern} of {name}: {then}");
    desk.tell(&named.output, &document, &sentence);
    Ok(())
}

fn tell_all(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut routes = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        for domain in directory.domains_of(workspace.id) {
            routes.extend(directory.inbound_routes_of(&domain.name));
        }
    }
    let documents = routes.iter().map(|route| document(&directory, route));
    let rows: Vec<_> = routes.iter().map(|route| row(&directory, route)).collect();
    let heading = ["DOMAIN", "WORKSPACE", "ADDRESSES", "EVENT", "FORWARDED TO"];
    desk.tell_list(&list.output, documents.collect(), &heading, &rows);
    Ok(())
}

/// Refuses routes by which mail would be lost, or go in a circle.
fn check(directory: &Directory, route: &InboundRoute, hostname: &str) -> anyhow::Result<()> {
    let Some(forward) = &route.forward else {
        if !route.tells {
            bail!(
                "mail to {} would be taken, and nobody would hear of it: leave --no-event out, or \
                 say where it is forwarded",
                addresses(route)
            );
        }
        return Ok(());
    };
    match forward {
        ForwardTo::Address(to) if comes_back(directory, route, to) => bail!(
            "mail that is forwarded to {to} would come back to this route ({}): name an address \
             elsewhere",
            addresses(route)
        ),
        ForwardTo::Host { host, port: 25 }
            if host.as_str() == hostname || directory.is_our_host(host) =>
        {
            bail!("{host} is this server: name the one that has the mailboxes")
        }
        ForwardTo::Address(_) | ForwardTo::Host { .. } => Ok(()),
    }
}

/// Whether a forward leads back to where it began, be it by other routes of ours.
fn comes_back(directory: &Directory, begin: &InboundRoute, to: &Address) -> bool {
    let mut to = to.clone();
    for _ in 0..FOLLOWED_MAX {
        let Some(route) = route_of(directory, begin, &to) else {
            return false;
        };
        if route.domain == begin.domain && route.pattern == begin.pattern {
            return true;
        }
        match &route.forward {
            Some(ForwardTo::Address(next)) => to = next.clone(),
            _ => return false,
        }
    }
    true
}

/// The route that mail to this address takes, once `new` is set.
fn route_of<'a>(
    directory: &'a Directory,
    new: &'a InboundRoute,
    to: &Address,
) -> Option<&'a InboundRoute> {
    let is_ours = to.domain() == &new.domain;
    let takes_mail = |domain: &SendingDomain| domain.inbound;
    if !is_ours && !directory.domain(to.domain()).is_some_and(takes_mail) {
        return None;
    }
    let others = directory.inbound_routes_of(to.domain()).iter();
    let others = others.filter(|route| !is_ours || route.pattern != new.pattern);
    others
        .chain(is_ours.then_some(new))
        .filter_map(|route| Some((route.pattern.matches(&to.plain_local_part())?, route)))
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, route)| route)
}

fn set_sentence(route: &InboundRoute, domain: &SendingDomain) -> String {
    let mut sentence = format!("mail to {} is {}", addresses(route), fate(route));
    if !domain.inbound {
        let name = &domain.name;
        sentence.push_str(&format!(
            ", once {name} takes mail: `postbell domain update {name} --inbound on`"
        ));
    }
    sentence
}

/// `support@acme.example`, `*@acme.example`
fn addresses(route: &InboundRoute) -> String {
    format!("{}@{}", route.pattern, route.domain)
}

fn fate(route: &InboundRoute) -> String {
    match (&route.forward, route.tells) {
        (None, _) => "told in an event".to_owned(),
        (Some(to), true) => format!("told in an event and forwarded to {to}"),
        (Some(to), false) => format!("forwarded to {to}"),
    }
}

fn document(directory: &Directory, route: &InboundRoute) -> Value {
    let (address, host) = match &route.forward {
        Some(ForwardTo::Address(address)) => (Some(address.as_str()), None),
        Some(ForwardTo::Host { host, port }) => (None, Some(host_document(host, *port))),
        None => (None, None),
    };
    json!({
        "domain": route.domain.as_str(),
        "workspace": desk::workspace_name(directory, route.workspace),
        "pattern": route.pattern.as_str(),
        "event": route.tells,
        "forwardTo": address,
        "forwardHost": host,
    })
}

fn host_document(host: &Domain, port: u16) -> Value {
    json!({ "host": host.as_str(), "port": port })
}

fn row(directory: &Directory, route: &InboundRoute) -> Vec<String> {
    let forward = route.forward.as_ref();
    vec![
        route.domain.to_string(),
        desk::workspace_name(directory, route.workspace),
        addresses(route),
        if route.tells { "yes" } else { "no" }.to_owned(),
        forward.map_or_else(|| "nowhere".to_owned(), ToString::to_string),
    ]
}

#[cfg(test)]
mod tests;
