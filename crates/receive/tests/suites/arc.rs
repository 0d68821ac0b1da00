//! `ValiMail`'s suite for ARC.

use std::fs;

use postbell_model::authentication::Verdict;

use crate::world::{Tally, World, collection, files, with_crlf};

/// Cases that RFC 8617 decides otherwise, or that it leaves open, and why.
const EXCEPT: &[(&str, &str)] = &[
    (
        "ams_fields_c_na",
        "without c= the form is simple (RFC 6376 §3.5), in which a folded field stays folded; the \
         suite was made with a library that unfolds the field of the signature first",
    ),
    (
        "cv_fail_i1_as_cv_fail",
        "the suite expects nothing, and RFC 8617 §5.2 a chain that has failed",
    ),
];

#[tokio::test]
async fn valimail() {
    let Some(folder) = collection("auth/arc") else {
        return;
    };
    let mut tally = Tally::of("arc");
    for file in files(&folder) {
        let case: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        if case["what"] != "validate" {
            continue;
        }
        let world = World::new().await;
        for (name, text) in case["txt_records"].as_object().unwrap() {
            world.txt(name, text.as_str().unwrap());
        }
        let message = with_crlf(case["message"].as_str().unwrap().as_bytes());
        let found = world.verify("", &message).await.arc;
        let expected = case["cv"].as_str().unwrap().to_ascii_lowercase();
        let holds = expected.parse::<Verdict>() == Ok(found.verdict);
        let name = case["id"].as_str().unwrap();
        let told = format!("{} instead of {expected:?}", found.verdict);
        let except = EXCEPT.iter().find(|(known, _)| *known == name);
        tally.case(name, holds, &told, except.map(|(_, reason)| *reason));
    }
    tally.end(80);
}
