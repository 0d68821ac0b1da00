use postbell_model::{ConfigurationSetId, Timestamp, WorkspaceId};

use super::*;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn route(of: &str, pattern: &str, to: Option<&str>) -> InboundRoute {
    InboundRoute {
        domain: domain(of),
        workspace: WorkspaceId(1),
        pattern: pattern.parse().unwrap(),
        tells: true,
        forward: to.map(|to| ForwardTo::Address(Address::parse(to).unwrap())),
    }
}

/// `a.example` and `b.example` take mail, `off.example` does not.
fn directory(routes: impl IntoIterator<Item = InboundRoute>) -> Directory {
    let now = Timestamp::from_micros(0);
    let sending = ["a.example", "b.example", "off.example"].map(|name| SendingDomain {
        inbound: name != "off.example",
        ..SendingDomain::new(domain(name), WorkspaceId(1), ConfigurationSetId(1), now)
    });
    Directory::new([], sending, [], []).with_inbound_routes(routes)
}

fn refusal(directory: &Directory, route: &InboundRoute) -> Option<String> {
    let checked = check(directory, route, "mx.a.example");
    checked.err().map(|error| error.to_string())
}

#[test]
fn circles_are_refused() {
    let directory = directory([
        route("b.example", "*", Some("x@a.example")),
        route("a.example", "desk", Some("desk@elsewhere.example")),
    ]);
    for (pattern, to, is_refused) in [
        ("*", "x@a.example", true),
        ("support", "support+tag@a.example", true),
        ("support", "help@a.example", false),
        // By way of another domain, and a narrower route out of the circle.
        ("*", "any@b.example", true),
        ("*", "desk@a.example", false),
        ("y", "any@b.example", false),
        ("*", "x@off.example", false),
        ("*", "x@elsewhere.example", false),
    ] {
        let new = route("a.example", pattern, Some(to));
        let told = refusal(&directory, &new);
        assert_eq!(told.is_some(), is_refused, "{pattern} {to}: {told:?}");
    }
    // A domain that takes no mail yet will.
    let own = route("off.example", "x", Some("x@off.example"));
    assert!(refusal(&directory, &own).is_some());
}

#[test]
fn mail_is_not_sent_to_this_server_or_into_nothing() {
    let directory = directory([]);
    let to = |host: &str, port| InboundRoute {
        forward: Some(ForwardTo::Host {
            host: domain(host),
            port,
        }),
        ..route("a.example", "*", None)
    };
    assert!(refusal(&directory, &to("mx.a.example", 25)).is_some());
    assert!(refusal(&directory, &to("reply.a.example", 25)).is_some());
    assert_eq!(refusal(&directory, &to("mx.a.example", 24)), None);
    assert_eq!(refusal(&directory, &to("mailbox.example", 25)), None);
    let silent = InboundRoute {
        tells: false,
        ..route("a.example", "*", None)
    };
    let told = refusal(&directory, &silent).unwrap();
    assert!(told.contains("nobody would hear of it"), "{told}");
}
