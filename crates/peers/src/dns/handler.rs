//! From a question to a response.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::{CNAME, MX, PTR, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio_util::sync::CancellationToken;

use super::table::{Answer, Entry, Records, Table, normal};

/// How many CNAMEs are followed.
const CHAIN_MAX: usize = 8;

/// Answers from the table.
pub(super) struct Handler {
    table: Arc<Table>,
    stop: CancellationToken,
}

impl Handler {
    pub(super) const fn new(table: Arc<Table>, stop: CancellationToken) -> Self {
        Self { table, stop }
    }

    /// The response to this question, after the delay that its entry wants; none for silence.
    async fn answer(&self, name: &str, record_type: RecordType) -> Option<Response> {
        let mut response = Response::new(ResponseCode::NoError);
        let mut name = name.to_owned();
        for _ in 0..CHAIN_MAX {
            let entry = self.table.look_up(&name);
            self.stop
                .run_until_cancelled(tokio::time::sleep(entry.delay))
                .await?;
            let ttl = self.table.ttl_of(&entry);
            let records = match entry {
                Entry {
                    answer: Answer::Records(records),
                    ..
                } => records,
                Entry { answer, .. } => return response.fail(&answer, &name, ttl),
            };
            let Some(target) = &records.cname else {
                response.add_records(&name, &records, record_type, ttl);
                return Some(response);
            };
            response.add_cname(&name, target, ttl);
            if record_type == RecordType::CNAME {
                return Some(response);
            }
            name = normal(target);
        }
        Some(response)
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        let response = match request.request_info() {
            Ok(info) if request.metadata.op_code == OpCode::Query => {
                let name = plain(&Name::from(info.query.name()));
                self.table.count(&name);
                self.answer(&name, info.query.query_type()).await
            }
            _ => Some(Response::new(ResponseCode::NotImp)),
        };
        let Some(response) = response else {
            return unsent(metadata);
        };
        metadata.response_code = response.code;
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &request.edns {
            builder.edns(edns);
        }
        let (answers, authorities) = (&response.answers, &response.authorities);
        let message = builder.build(metadata, answers, authorities, None, None);
        match response_handle.send_response(message).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "the DNS peer can't send a response");
                unsent(metadata)
            }
        }
    }
}

fn unsent(metadata: Metadata) -> ResponseInfo {
    ResponseInfo::from(Header {
        metadata,
        counts: HeaderCounts::default(),
    })
}

struct Response {
    code: ResponseCode,
    answers: Vec<Record>,
    authorities: Vec<Record>,
}

impl Response {
    const fn new(code: ResponseCode) -> Self {
        Self {
            code,
            answers: Vec::new(),
            authorities: Vec::new(),
        }
    }

    fn fail(mut self, answer: &Answer, name: &str, ttl: u32) -> Option<Self> {
        self.code = match answer {
            Answer::NoSuchDomain => ResponseCode::NXDomain,
            Answer::Refused => ResponseCode::Refused,
            Answer::Silence => return None,
            Answer::ServerFailure | Answer::Records(_) => ResponseCode::ServFail,
        };
        if self.code == ResponseCode::NXDomain {
            self.add_soa(name, ttl);
        }
        Some(self)
    }

    fn add_records(&mut self, name: &str, records: &Records, wanted: RecordType, ttl: u32) {
        let before = self.answers.len();
        for data in data_of(records) {
            if data.record_type() == wanted {
                self.add(name, data, ttl);
            }
        }
        if self.answers.len() == before {
            self.add_soa(name, ttl);
        }
    }

    fn add_cname(&mut self, name: &str, target: &str, ttl: u32) {
        if let Some(target) = name_of(target) {
            self.add(name, RData::CNAME(CNAME(target)), ttl);
        }
    }

    fn add(&mut self, name: &str, data: RData, ttl: u32) {
        // A name that can't be encoded gives no record.
        if let Some(name) = name_of(name) {
            self.answers.push(Record::from_rdata(name, ttl, data));
        }
    }

    // RFC 2308 §3: the SOA record says how long a negative answer may be cached.
    fn add_soa(&mut self, name: &str, ttl: u32) {
        let Some(zone) = name_of(name) else {
            return;
        };
        let soa = SOA::new(zone.clone(), zone.clone(), 1, 3_600, 600, 86_400, ttl);
        let record = Record::from_rdata(zone, ttl, RData::SOA(soa));
        self.authorities.push(record);
    }
}

fn data_of(records: &Records) -> impl Iterator<Item = RData> {
    let mx = records.mx.iter().filter_map(|(preference, host)| {
        let host = name_of(host)?;
        Some(RData::MX(MX::new(*preference, host)))
    });
    let addresses = records.addresses.iter().map(|address| match address {
        IpAddr::V4(v4) => RData::A((*v4).into()),
        IpAddr::V6(v6) => RData::AAAA((*v6).into()),
    });
    let txt = records
        .txt
        .iter()
        .map(|text| RData::TXT(TXT::new(strings(text))));
    let ptr = records
        .ptr
        .iter()
        .filter_map(|host| Some(RData::PTR(PTR(name_of(host)?))));
    mx.chain(addresses).chain(txt).chain(ptr)
}

// RFC 1035 §3.3: a string has at most 255 octets.
fn strings(text: &str) -> Vec<String> {
    let strings = text.as_bytes().chunks(255);
    strings
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// A name of labels of any octets: what is asked about need not be a host.
fn name_of(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut name = Name::from_labels(labels.map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name as the table has it.
fn plain(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    normal(&labels.join("."))
}
