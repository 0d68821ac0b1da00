//! The settings of a domain: what a change makes of them, and how it is told.

use postbell_model::{DomainSetting, SendingDomain, SettingChange};

use crate::DomainChange;

impl DomainChange {
    pub(super) fn apply(self, domain: &SendingDomain) -> SendingDomain {
        let Self {
            return_path_host,
            reply_host,
            tracking_host,
            configuration_set,
            reply_capture,
            inbound,
            dmarc,
            track_opens,
            track_clicks,
            brand_name,
            brand_colour,
        } = self;
        let mut changed = domain.clone();
        changed.return_path_host = return_path_host.unwrap_or(changed.return_path_host);
        changed.reply_host = reply_host.unwrap_or(changed.reply_host);
        changed.tracking_host = tracking_host.unwrap_or(changed.tracking_host);
        changed.configuration_set = configuration_set.unwrap_or(changed.configuration_set);
        changed.reply_capture = reply_capture.unwrap_or(changed.reply_capture);
        changed.inbound = inbound.unwrap_or(changed.inbound);
        changed.dmarc = dmarc.unwrap_or(changed.dmarc);
        changed.tracking.opens = track_opens.unwrap_or(changed.tracking.opens);
        changed.tracking.clicks = track_clicks.unwrap_or(changed.tracking.clicks);
        changed.brand.name = brand_name.unwrap_or(changed.brand.name);
        changed.brand.colour = brand_colour.unwrap_or(changed.brand.colour);
        changed
    }
}

/// A setting and what it is, in words.
pub(super) type Setting = (DomainSetting, String);

/// Every setting of a domain; a configuration set is told by its name.
pub(super) fn settings(domain: &SendingDomain, set: String) -> [Setting; 11] {
    let brand = &domain.brand;
    let colour = brand.colour.map(|colour| colour.to_string());
    let switch = |on| if on { "on" } else { "off" }.to_owned();
    [
        (
            DomainSetting::ReturnPathHost,
            domain.return_path_host.to_string(),
        ),
        (DomainSetting::ReplyHost, domain.reply_host.to_string()),
        (
            DomainSetting::TrackingHost,
            domain.tracking_host.to_string(),
        ),
        (DomainSetting::ConfigurationSet, set),
        (DomainSetting::ReplyCapture, switch(domain.reply_capture)),
        (DomainSetting::Inbound, switch(domain.inbound)),
        (DomainSetting::Dmarc, domain.dmarc.name().to_owned()),
        (DomainSetting::TrackOpens, switch(domain.tracking.opens)),
        (DomainSetting::TrackClicks, switch(domain.tracking.clicks)),
        (
            DomainSetting::BrandName,
            brand.name.clone().unwrap_or_default(),
        ),
        (DomainSetting::BrandColour, colour.unwrap_or_default()),
    ]
}

pub(super) fn differences(before: [Setting; 11], after: [Setting; 11]) -> Vec<SettingChange> {
    let pairs = before.into_iter().zip(after);
    let changed = pairs.filter(|((_, old), (_, new))| old != new);
    changed
        .map(|((setting, old), (_, new))| SettingChange {
            setting,
            old: Some(old),
            new,
        })
        .collect()
}
