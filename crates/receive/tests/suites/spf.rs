//! openspf's suite for RFC 7208, which every library of SPF is measured with.

use std::fs;

use postbell_model::authentication::Verdict;
use postbell_peers::dns::{Answer, Entry, Records};

use crate::world::{Tally, World, collection, files};
use crate::yaml::Suite;

/// Cases that the RFC decides otherwise, or that it leaves open, and why.
const EXCEPT: &[(&str, &str)] = &[];

#[tokio::test]
async fn openspf() {
    let Some(folder) = collection("auth/spf") else {
        return;
    };
    let mut tally = Tally::of("spf");
    for file in files(&folder) {
        if file.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        // A file may have several suites, each with a zone of its own.
        for part in fs::read_to_string(&file).unwrap().split("\n---\n") {
            run(&Suite::read(part), &mut tally).await;
        }
    }
    tally.end(100);
}

async fn run(suite: &Suite, tally: &mut Tally) {
    let world = World::new().await;
    for (name, records) in &suite.zone {
        world.dns.table().set(name, entry(records));
    }
    for (name, test) in &suite.tests {
        let value = |key: &str| test.get(key).map_or("", |values| values[0].as_str());
        let ip = value("host").parse().unwrap();
        let found = world
            .verifier
            .spf(ip, value("helo"), value("mailfrom"))
            .await;
        let expected: Vec<Verdict> = test["result"]
            .iter()
            .map(|word| word.parse().unwrap())
            .collect();
        let told = format!("{} instead of {:?}", found.verdict, test["result"]);
        let except = EXCEPT.iter().find(|(known, _)| known == name);
        let except = except.map(|(_, reason)| *reason);
        tally.case(name, expected.contains(&found.verdict), &told, except);
    }
}

fn entry(list: &[(String, Vec<String>)]) -> Entry {
    let mut records = Records::default();
    let mut spf = Vec::new();
    // The suite's way to say that only records of the type SPF are there.
    let has_txt = list.iter().any(|(kind, _)| kind == "TXT");
    for (kind, values) in list {
        match kind.as_str() {
            "TIMEOUT" => return Entry::new(Answer::ServerFailure),
            "TXT" if values.concat() == "TIMEOUT" => return Entry::new(Answer::ServerFailure),
            // Records of the type SPF are not asked for.
            "SPF" if values.concat() == "TIMEOUT" => {}
            "A" | "AAAA" => records.addresses.push(values[0].parse().unwrap()),
            "MX" => {
                let host = if values[1].is_empty() {
                    "."
                } else {
                    &values[1]
                };
                records
                    .mx
                    .push((values[0].parse().unwrap(), host.to_owned()));
            }
            "TXT" if values.concat() == "NONE" => {}
            "TXT" => records.txt.push(values.concat()),
            "SPF" => spf.push(values.concat()),
            "PTR" => records.ptr.push(values[0].clone()),
            "CNAME" => records.cname = Some(values[0].clone()),
            other => panic!("a record of the kind {other}"),
        }
    }
    if !has_txt {
        records.txt = spf;
    }
    Entry::new(Answer::Records(records))
}
