//! Opens and clicks, and who or what is behind them.

use std::borrow::Cow;

use postbell_model::Timestamp;
use postbell_model::engagement::{self, Engagement, ImageProxy};
use serde::Serialize;

use crate::format::incoming::one_line;
use crate::format::moment::Micros;
use crate::format::visitor::Visitor;

#[derive(Serialize)]
pub(super) struct Open<'a> {
    timestamp: Micros,
    #[serde(flatten)]
    visitor: Visitor<'a>,
    #[serde(flatten)]
    made: Made,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Click<'a> {
    timestamp: Micros,
    #[serde(flatten)]
    visitor: Visitor<'a>,
    link: Cow<'a, str>,
    link_index: u16,
    #[serde(flatten)]
    made: Made,
}

/// Whether a person made it, and which one it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    machine: bool,
    machine_reasons: Vec<&'static str>,
    proxy: Option<&'static str>,
    first: Option<bool>,
    count: Option<u32>,
}

impl<'a> Open<'a> {
    pub(super) fn new(at: Timestamp, open: &'a Engagement) -> Self {
        Self {
            timestamp: Micros(at),
            visitor: Visitor::new(open),
            made: Made::new(open),
        }
    }
}

impl<'a> Click<'a> {
    pub(super) fn new(at: Timestamp, click: &'a engagement::Click) -> Self {
        Self {
            timestamp: Micros(at),
            visitor: Visitor::new(&click.engagement),
            link: one_line(&click.url),
            link_index: click.index,
            made: Made::new(&click.engagement),
        }
    }
}

impl Made {
    fn new(engagement: &Engagement) -> Self {
        let reasons = engagement.machine_reasons.iter();
        Self {
            machine: engagement.is_machine(),
            machine_reasons: reasons.map(|reason| reason.name()).collect(),
            proxy: engagement.proxy.map(ImageProxy::name),
            first: engagement.is_first(),
            count: engagement.count,
        }
    }
}
