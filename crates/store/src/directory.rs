//! The snapshot of what operators set up.

use std::collections::{HashMap, HashSet};

use postbell_model::suppression::LocalPart;
use postbell_model::token::domain_tag;
use postbell_model::tracking::LinkBlock;
use postbell_model::{
    Address, ApiKey, ConfigurationSet, ConfigurationSetId, Credential, CredentialId, Destination,
    DestinationId, Domain, DomainKey, InboundRoute, Message, Pause, Sandbox, Sender, Sending,
    SendingDomain, Workspace, WorkspaceId, web,
};

use crate::BlockedLinks;

/// All workspaces, credentials, domains, configuration sets and destinations at one moment.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    workspaces: HashMap<WorkspaceId, Workspace>,
    domains: HashMap<Domain, SendingDomain>,
    sets: HashMap<ConfigurationSetId, ConfigurationSet>,
    destinations: Vec<Destination>,
    credentials: HashMap<String, Credential>,
    domain_keys: HashMap<Domain, Vec<DomainKey>>,
    api_keys: HashMap<[u8; 32], ApiKey>,
    inbound_routes: HashMap<Domain, Vec<InboundRoute>>,
    /// The hosts that return paths and replies of domains are at.
    our_hosts: HashSet<Domain>,
    /// Of what is not active.
    sending: HashMap<Sender, Sending>,
    /// Workspaces that have domains which are not active.
    with_paused_domains: HashSet<WorkspaceId>,
    /// By the host that tracks.
    tracking_hosts: HashMap<Domain, Domain>,
    link_blocks: Vec<BlockedLinks>,
    /// The places of those above, by what they block.
    blocked: HashMap<LinkBlock, usize>,
    /// And by the [`domain_tag`] of domains.
    blocked_tags: HashMap<u32, usize>,
    /// Folded, as a sandbox looks for them.
    verified_addresses: HashMap<WorkspaceId, HashSet<String>>,
}

/// What is not sent, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused<'d> {
    /// What is paused.
    pub sender: &'d Sender,
    /// Since when, and why.
    pub pause: &'d Pause,
}

impl Directory {
    /// The snapshot of these.
    pub fn new(
        workspaces: impl IntoIterator<Item = Workspace>,
        domains: impl IntoIterator<Item = SendingDomain>,
        sets: impl IntoIterator<Item = ConfigurationSet>,
        destinations: impl IntoIterator<Item = Destination>,
    ) -> Self {
        let domains: HashMap<_, _> = domains.into_iter().map(|d| (d.name.clone(), d)).collect();
        let hosts = domains
            .values()
            .flat_map(|d| [&d.return_path_host, &d.reply_host]);
        let tracking_hosts = domains
            .values()
            .map(|d| (d.tracking_host.clone(), d.name.clone()))
            .collect();
        Self {
            our_hosts: hosts.cloned().collect(),
            workspaces: workspaces.into_iter().map(|w| (w.id, w)).collect(),
            domains,
            sets: sets.into_iter().map(|s| (s.id, s)).collect(),
            destinations: destinations.into_iter().collect(),
            credentials: HashMap::new(),
            domain_keys: HashMap::new(),
            api_keys: HashMap::new(),
            inbound_routes: HashMap::new(),
            sending: HashMap::new(),
            with_paused_domains: HashSet::new(),
            tracking_hosts,
            link_blocks: Vec::new(),
            blocked: HashMap::new(),
            blocked_tags: HashMap::new(),
            verified_addresses: HashMap::new(),
        }
    }

    /// The same with these credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: impl IntoIterator<Item = Credential>) -> Self {
        let credentials = credentials.into_iter();
        Self {
            credentials: credentials.map(|c| (c.username.clone(), c)).collect(),
            ..self
        }
    }

    /// The same with these keys, each domain's in their order.
    #[must_use]
    pub fn with_domain_keys(mut self, keys: impl IntoIterator<Item = DomainKey>) -> Self {
        self.domain_keys.clear();
        for key in keys {
            let of_domain = self.domain_keys.entry(key.domain.clone());
            of_domain.or_default().push(key);
        }
        self
    }

    /// The same with these API keys.
    #[must_use]
    pub fn with_api_keys(self, keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self {
            api_keys: keys.into_iter().map(|key| (key.hash, key)).collect(),
            ..self
        }
    }

    /// The same with these routes of mail that comes in.
    #[must_use]
    pub fn with_inbound_routes(mut self, routes: impl IntoIterator<Item = InboundRoute>) -> Self {
        self.inbound_routes.clear();
        for route in routes {
            let of_domain = self.inbound_routes.entry(route.domain.clone());
            of_domain.or_default().push(route);
        }
        self
    }

    /// The same where these links lead nowhere.
    #[must_use]
    pub fn with_link_blocks(mut self, blocks: impl IntoIterator<Item = BlockedLinks>) -> Self {
        self.link_blocks = blocks.into_iter().collect();
        let places = || {
            self.link_blocks
                .iter()
                .map(|blocked| &blocked.block)
                .zip(0..)
        };
        let tags = places().filter_map(|(block, place)| match block {
            LinkBlock::Domain(domain) => Some((domain_tag(domain), place)),
            LinkBlock::Url(_) | LinkBlock::Workspace(_) => None,
        });
        self.blocked_tags = tags.collect();
        self.blocked = places()
            .map(|(block, place)| (block.normal(), place))
            .collect();
        self
    }

    /// The same where sandboxes may send to these addresses.
    #[must_use]
    pub fn with_verified_addresses(
        mut self,
        addresses: impl IntoIterator<Item = (WorkspaceId, Address)>,
    ) -> Self {
        self.verified_addresses.clear();
        for (workspace, address) in addresses {
            let of_workspace = self.verified_addresses.entry(workspace).or_default();
            of_workspace.insert(LocalPart::Fold.key(&address));
        }
        self
    }

    /// The same where not everything is sent.
    #[must_use]
    pub fn with_sending(mut self, sending: impl IntoIterator<Item = (Sender, Sending)>) -> Self {
        let inactive = sending
            .into_iter()
            .filter(|(_, sending)| *sending != Sending::Active);
        self.sending = inactive.collect();
        let paused = self.sending.iter().filter(|(_, s)| s.pause().is_some());
        let domains = paused.filter_map(|(sender, _)| match sender {
            Sender::Domain(domain) => self.domains.get(domain),
            Sender::Workspace(_) => None,
        });
        self.with_paused_domains = domains.map(|domain| domain.workspace).collect();
        self
    }

    /// Whether mail of a workspace, or of a domain alone, is sent.
    pub fn sending(&self, sender: &Sender) -> &Sending {
        self.sending.get(sender).unwrap_or(&Sending::Active)
    }

    /// Whether the same is sent as by another snapshot.
    pub fn sends_as(&self, other: &Self) -> bool {
        self.sending == other.sending
    }

    /// What keeps mail of a workspace from being sent, be it from whatever domain.
    pub fn pause_of_workspace(&self, workspace: WorkspaceId) -> Option<Paused<'_>> {
        self.paused(&Sender::Workspace(workspace))
    }

    /// What keeps mail of a workspace from this domain from being sent.
    pub fn pause_of(&self, workspace: WorkspaceId, from: &Domain) -> Option<Paused<'_>> {
        if self.sending.is_empty() {
            return None;
        }
        let of_workspace = self.pause_of_workspace(workspace);
        of_workspace.or_else(|| self.paused(&Sender::Domain(from.clone())))
    }

    /// What keeps mail from a domain from being sent, its workspace aside.
    pub fn pause_of_domain(&self, domain: &Domain) -> Option<Paused<'_>> {
        self.paused(&Sender::Domain(domain.clone()))
    }

    /// The domain that a message is from: that of From, else of MAIL FROM, while it is the workspace's.
    /// Mail from `<>` (reports, ours among them) is from none, and neither is what came in and goes on.
    pub fn sender_of(&self, message: &Message) -> Option<&SendingDomain> {
        let mail_from = message.mail_from.mailbox()?;
        if message.forward.is_some() {
            return None;
        }
        let own = |name: &Domain| {
            let domain = self.domain(name);
            domain.filter(|domain| domain.workspace == message.workspace)
        };
        let from = Address::parse(&message.source).ok();
        let of_from = from.and_then(|from| own(from.domain()));
        of_from.or_else(|| own(mail_from.domain()))
    }

    /// What keeps a message from being sent: a message is of the domain of its From field. Costs
    /// next to nothing while nothing is paused.
    pub fn pause_of_message(&self, message: &Message) -> Option<Paused<'_>> {
        if self.sending.is_empty() {
            return None;
        }
        let of_workspace = self.pause_of_workspace(message.workspace);
        of_workspace.or_else(|| {
            let (_, domain) = message.source.rsplit_once('@')?;
            self.paused(&Sender::Domain(Domain::parse(domain).ok()?))
        })
    }

    /// Whether some domain of a workspace is paused.
    pub fn has_paused_domains(&self, workspace: WorkspaceId) -> bool {
        self.with_paused_domains.contains(&workspace)
    }

    fn paused(&self, sender: &Sender) -> Option<Paused<'_>> {
        let (sender, sending) = self.sending.get_key_value(sender)?;
        let pause = sending.pause()?;
        Some(Paused { sender, pause })
    }

    /// The sandbox that mail of a workspace from a domain is in: that of the workspace, else that of
    /// the domain.
    pub fn sandbox_of(&self, workspace: WorkspaceId, from: &Domain) -> Option<(&Sender, &Sandbox)> {
        if self.sending.is_empty() {
            return None;
        }
        let find = |sender: &Sender| {
            let (sender, sending) = self.sending.get_key_value(sender)?;
            Some((sender, sending.sandbox()?))
        };
        let of_workspace = find(&Sender::Workspace(workspace));
        of_workspace.or_else(|| find(&Sender::Domain(from.clone())))
    }

    /// Whether a sandbox of a workspace may send to an address.
    pub fn is_verified_address(&self, workspace: WorkspaceId, address: &Address) -> bool {
        let of_workspace = self.verified_addresses.get(&workspace);
        of_workspace.is_some_and(|all| all.contains(&LocalPart::Fold.key(address)))
    }

    /// The addresses that sandboxes of a workspace may send to, in their order.
    pub fn verified_addresses_of(&self, workspace: WorkspaceId) -> Vec<&str> {
        let all = self
            .verified_addresses
            .get(&workspace)
            .into_iter()
            .flatten();
        let mut all: Vec<_> = all.map(String::as_str).collect();
        all.sort_unstable();
        all
    }

    /// The sending domain whose links are at this host.
    pub fn domain_tracked_at(&self, host: &Domain) -> Option<&SendingDomain> {
        self.domains.get(self.tracking_hosts.get(host)?)
    }

    /// The hosts that track.
    pub fn tracking_hosts(&self) -> impl Iterator<Item = &Domain> {
        self.tracking_hosts.keys()
    }

    /// Whether an operator has blocked a link: see [`Self::blocks_of`].
    pub fn is_blocked(&self, workspace: WorkspaceId, tag: u32, url: &str) -> bool {
        !self.blocks_of(workspace, tag, url).is_empty()
    }

    /// What blocks a link that stands in mail of a workspace, from the sending domain with this tag, and
    /// goes to `url`. Costs nothing while nothing is blocked.
    pub fn blocks_of(&self, workspace: WorkspaceId, tag: u32, url: &str) -> Vec<&BlockedLinks> {
        if self.link_blocks.is_empty() {
            return Vec::new();
        }
        let exact = [
            LinkBlock::Workspace(workspace),
            LinkBlock::Url(web::normal(url)),
        ];
        let domains = web::hosts(url).into_iter().map(LinkBlock::Domain);
        let asked = exact.into_iter().chain(domains);
        let places = asked.filter_map(|block| self.blocked.get(&block));
        let mut places: Vec<_> = places.chain(self.blocked_tags.get(&tag)).copied().collect();
        places.sort_unstable();
        places.dedup();
        let found = places
            .into_iter()
            .filter_map(|place| self.link_blocks.get(place));
        found.collect()
    }

    /// What operators have blocked, in the order in which they did.
    pub fn link_blocks(&self) -> &[BlockedLinks] {
        &self.link_blocks
    }

    /// What becomes of mail to the addresses of a domain, by pattern; none: all of it is told.
    pub fn inbound_routes_of(&self, domain: &Domain) -> &[InboundRoute] {
        self.inbound_routes.get(domain).map_or(&[], Vec::as_slice)
    }

    /// Whether the return paths or the replies of a domain are at this host.
    pub fn is_our_host(&self, host: &Domain) -> bool {
        self.our_hosts.contains(host)
    }

    /// Whether mail to a domain is for us: it is a host of ours, or takes mail itself.
    pub fn takes_mail(&self, domain: &Domain) -> bool {
        self.is_our_host(domain) || self.domain(domain).is_some_and(|domain| domain.inbound)
    }

    /// The API key with this SHA-256, be it expired or not.
    pub fn api_key(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.api_keys.get(hash)
    }

    /// All API keys.
    pub fn api_keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.api_keys.values()
    }

    /// The API keys of a workspace, by name.
    pub fn api_keys_of(&self, workspace: WorkspaceId) -> Vec<&ApiKey> {
        let all = self.api_keys.values();
        let mut all: Vec<_> = all.filter(|key| key.workspace == workspace).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The keys of a domain, oldest first.
    pub fn domain_keys(&self, domain: &Domain) -> &[DomainKey] {
        self.domain_keys.get(domain).map_or(&[], Vec::as_slice)
    }

    /// All keys of all domains.
    pub fn all_domain_keys(&self) -> impl Iterator<Item = &DomainKey> {
        self.domain_keys.values().flatten()
    }

    /// The credential with this username, be it revoked or not.
    pub fn credential(&self, username: &str) -> Option<&Credential> {
        self.credentials.get(username)
    }

    /// The credential of this number.
    pub fn credential_of(&self, id: CredentialId) -> Option<&Credential> {
        self.credentials.values().find(|c| c.id == id)
    }

    /// The credentials of a workspace, by username.
    pub fn credentials_of(&self, workspace: WorkspaceId) -> Vec<&Credential> {
        let all = self.credentials.values();
        let mut all: Vec<_> = all.filter(|c| c.workspace == workspace).collect();
        all.sort_by(|a, b| a.username.cmp(&b.username));
        all
    }

    /// All workspaces, by id.
    pub fn workspaces(&self) -> Vec<&Workspace> {
        let mut all: Vec<_> = self.workspaces.values().collect();
        all.sort_by_key(|workspace| workspace.id);
        all
    }

    /// A workspace.
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Workspace> {
        self.workspaces.get(&id)
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

    /// A destination.
    pub fn destination(&self, id: DestinationId) -> Option<&Destination> {
        let mut all = self.destinations.iter();
        all.find(|destination| destination.id == id)
    }

    /// All destinations, in the order in which they were made.
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }
}
