//! The snapshot of what operators set up.

use std::collections::HashMap;

use postbell_model::{
    ConfigurationSet, ConfigurationSetId, Destination, Domain, SendingDomain, Workspace,
    WorkspaceId,
};

/// All workspaces, domains, configuration sets and destinations at one moment.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    workspaces: HashMap<WorkspaceId, Workspace>,
    domains: HashMap<Domain, SendingDomain>,
    sets: HashMap<ConfigurationSetId, ConfigurationSet>,
    destinations: Vec<Destination>,
}

impl Directory {
    /// The snapshot of these.
    pub fn new(
        workspaces: impl IntoIterator<Item = Workspace>,
        domains: impl IntoIterator<Item = SendingDomain>,
        sets: impl IntoIterator<Item = ConfigurationSet>,
        destinations: impl IntoIterator<Item = Destination>,
    ) -> Self {
        Self {
            workspaces: workspaces.into_iter().map(|w| (w.id, w)).collect(),
            domains: domains.into_iter().map(|d| (d.name.clone(), d)).collect(),
            sets: sets.into_iter().map(|s| (s.id, s)).collect(),
            destinations: destinations.into_iter().collect(),
        }
    }

    /// All workspaces, by id.
    pub fn workspaces(&self) -> Vec<&Workspace> {
        let mut all: Vec<_> = self.workspaces.values().collect();
        all.sort_by_key(|workspace| workspace.id);
        all
    }

    /// The workspace of this name.
    pub fn workspace_named(&self, name: &str) -> Option<&Workspace> {
        self.workspaces
            .values()
            .find(|workspace| workspace.name == name)
    }

    /// A sending domain, exactly this one: a subdomain has to be added itself.
    pub fn domain(&self, name: &Domain) -> Option<&SendingDomain> {
        self.domains.get(name)
    }

    /// The domains of a workspace, by name.
    pub fn domains_of(&self, workspace: WorkspaceId) -> Vec<&SendingDomain> {
        let mut all: Vec<_> = self
            .domains
            .values()
            .filter(|d| d.workspace == workspace)
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// A configuration set.
    pub fn configuration_set(&self, id: ConfigurationSetId) -> Option<&ConfigurationSet> {
        self.sets.get(&id)
    }

    /// The configuration set of this name in a workspace.
    pub fn configuration_set_named(
        &self,
        workspace: WorkspaceId,
        name: &str,
    ) -> Option<&ConfigurationSet> {
        self.sets
            .values()
            .find(|set| set.workspace == workspace && set.name == name)
    }

    /// The configuration sets of a workspace, by id.
    pub fn configuration_sets_of(&self, workspace: WorkspaceId) -> Vec<&ConfigurationSet> {
        let mut all: Vec<_> = self
            .sets
            .values()
            .filter(|s| s.workspace == workspace)
            .collect();
        all.sort_by_key(|set| set.id);
        all
    }

    /// All destinations, in the order in which they were made.
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }
}
