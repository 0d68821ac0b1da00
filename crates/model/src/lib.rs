//! The nouns of mail and their rules.
//!
//! Everything here is pure: no I/O, no clock of its own, no wire format. The types are parsed
//! once at the edge of the program and never checked again inside it. Read in this order:
//! [`address`], [`message`], [`delivery`], [`attempt`], [`event`], [`consequence`].

#![warn(missing_docs)]

pub mod address;
pub mod api_key;
pub mod attempt;
pub mod authentication;
pub mod bounce;
pub mod clock;
pub mod consequence;
pub mod delivery;
pub mod destination;
pub mod domain_key;
pub mod domain_settings;
pub mod duration;
pub mod egress;
pub mod engagement;
pub mod event;
pub mod forward;
pub mod id;
pub mod inbound;
pub mod instructions;
pub mod message;
pub mod name;
pub mod reject;
pub mod reply;
pub mod report;
pub mod reputation;
pub mod retry;
pub mod routing;
pub mod secret;
pub mod sending;
pub mod simulator;
pub mod suppression;
pub mod tenant;
pub mod time;
pub mod token;
pub mod tracking;
pub mod web;
pub mod workspace_event;

pub use address::{Address, Domain, ReversePath};
pub use api_key::{ApiKey, ApiKeyKind};
pub use attempt::{Attempt, HostTry, Phase};
pub use authentication::{
    Aligned, ArcResult, Authentication, DkimAlgorithm, DkimResult, DmarcPolicy, DmarcRequest,
    DmarcResult, SpfIdentity, SpfResult, UnknownWord, Verdict,
};
pub use bounce::{BounceClass, BounceType};
pub use clock::{Clock, Monotonic};
pub use delivery::{Delivery, DeliveryState, Lane};
pub use destination::{
    Audience, CustomHeader, Delays, Destination, DestinationSettings, DestinationState,
    PreviousSecret, Telling,
};
pub use domain_key::{DomainKey, KeyAlgorithm, KeyState};
pub use domain_settings::{DomainSetting, SettingChange};
pub use egress::Egress;
pub use event::{Event, EventKind, Fact};
pub use forward::{Forward, ForwardWay};
pub use id::{
    ConfigurationSetId, CredentialId, DeliveryId, DestinationId, EventId, InboundId, MessageId,
    WorkspaceId,
};
pub use inbound::{InboundKind, InboundMail};
pub use instructions::{Instructions, Notify, OriginalRecipient, ReportRequest, Ret};
pub use message::Message;
pub use reject::RejectReason;
pub use reply::{EnhancedCode, Reply};
pub use report::ReportKind;
pub use retry::RetryPolicy;
pub use routing::{DmarcMode, ForwardTo, InboundRoute, LocalPattern};
pub use secret::Secret;
pub use sending::{NewMail, Pause, Sandbox, Sender, Sending};
pub use simulator::{Simulated, simulator_domain};
pub use tenant::{
    ConfigurationSet, Credential, LeftQueue, ScramKeys, SendingDomain, SendingLimits, Workspace,
};
pub use time::Timestamp;
pub use token::TokenKeys;
pub use workspace_event::{DisableReason, SeenRecords, WorkspaceEvent, WorkspaceFact};
