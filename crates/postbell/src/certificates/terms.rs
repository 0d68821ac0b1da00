//! By which authority certificates are asked for, and how: changed while the server runs.

use std::sync::Arc;

use anyhow::Context;
use postbell_model::Clock;
use postbell_net::acme::{AcmeOptions, Authority};
use postbell_net::{DnsMetrics, Guard, HttpClient, Resolver};
use tokio::sync::watch;

use super::hosts::LinkHosts;
use crate::config::Config;

/// The terms of the moment, for whoever follows another configuration.
pub(crate) type AcmeTerms = watch::Sender<Arc<Terms>>;

/// What is asked, and how.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) options: AcmeOptions,
    /// `None`: nobody is asked.
    pub(super) authority: Option<Authority>,
    /// What finds the addresses of hosts.
    pub(super) resolver: Resolver,
    /// Which hosts certificates are for.
    pub(super) hosts: LinkHosts,
}

impl Terms {
    /// Those of a configuration.
    ///
    /// # Errors
    /// The name servers of this machine, or the certificate authorities of a file, can't be read.
    pub(crate) fn new(
        config: &Config,
        (guard, dns): (&Guard, &DnsMetrics),
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let options = config.tracking.acme.clone();
        let resolver = Resolver::new(&config.dns)?.with_metrics(dns.clone());
        let authority = match &options.directory {
            Some(directory) => {
                let (resolver, guard, http) =
                    (resolver.clone(), guard.clone(), &config.http_client);
                let client = match &options.ca_file {
                    Some(file) => HttpClient::believing(resolver, guard, http, file)
                        .context("tracking.acme.ca_file")?,
                    None => HttpClient::new(resolver, guard, http),
                };
                let (directory, clock) = (directory.clone(), Arc::clone(clock));
                Some(Authority::new(directory, client, clock))
            }
            None => None,
        };
        Ok(Self {
            authority,
            resolver,
            hosts: LinkHosts::of(config),
            options,
        })
    }
}
