use std::net::IpAddr;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn mx(hosts: &[(u16, &str)]) -> Result<MxAnswer, LookupError> {
    let hosts = hosts
        .iter()
        .map(|(preference, host)| (*preference, domain(host)));
    Ok(MxAnswer {
        hosts: hosts.collect(),
        null: false,
        valid_for: HOUR,
    })
}

fn addresses(ips: &[&str]) -> Result<Addresses, LookupError> {
    Ok(Addresses {
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        valid_for: HOUR,
    })
}

fn temporary<T>() -> Result<T, LookupError> {
    Err(LookupError::Temporary("SERVFAIL".to_owned()))
}

fn code(refusal: &Refusal) -> String {
    let enhanced = refusal.reply.enhanced.map(|code| code.to_string());
    format!(
        "{} {} {}",
        refusal.reply.code,
        enhanced.unwrap_or_default(),
        refusal.class
    )
}

fn refused(planned: &Planned) -> String {
    match &planned.plan {
        Plan::Refused(refusal) => code(refusal),
        Plan::Route(route) => format!("{route:?}"),
    }
}

fn dialled(planned: &Planned) -> Vec<String> {
    match &planned.plan {
        Plan::Refused(refusal) => vec![code(refusal)],
        Plan::Route(route) => route
            .targets
            .iter()
            .map(|target| format!("{} {}", target.host, target.ip))
            .collect(),
    }
}

fn exchangers_of(answer: Result<MxAnswer, LookupError>) -> Result<Vec<String>, String> {
    match exchangers(&domain("example.com"), "US.example", answer) {
        Ok(Exchangers::Implicit) => Ok(vec!["implicit".to_owned()]),
        Ok(Exchangers::Hosts { hosts, .. }) => {
            Ok(hosts.iter().map(|(_, host)| host.to_string()).collect())
        }
        Err(refusal) => Err(code(&refusal)),
    }
}

#[test]
fn we_are_no_host_of_our_own_name() {
    let ours = domain("us.example");
    let refusal = exchangers(&ours, "us.example", Err(LookupError::NoData)).unwrap_err();
    assert_eq!(code(&refusal), "550 5.4.6 relay_denied");
}

#[test]
fn what_the_mx_answer_means() {
    let null = Ok(MxAnswer {
        hosts: Vec::new(),
        null: true,
        valid_for: HOUR,
    });
    for (answer, expected) in [
        (
            mx(&[(10, "a.example"), (20, "b.example")]),
            Ok(vec!["a.example", "b.example"]),
        ),
        (Err(LookupError::NoData), Ok(vec!["implicit"])),
        (
            Err(LookupError::NoSuchDomain),
            Err("550 5.1.2 no_such_domain"),
        ),
        (null, Err("556 5.1.10 no_such_domain")),
        (temporary(), Err("451 4.4.3 network_error")),
        (
            mx(&[
                (10, "a.example"),
                (20, "us.example"),
                (20, "b.example"),
                (30, "c.example"),
            ]),
            Ok(vec!["a.example"]),
        ),
        (
            mx(&[(10, "us.example"), (20, "b.example")]),
            Err("550 5.4.6 relay_denied"),
        ),
    ] {
        let expected = expected
            .map(|hosts| hosts.into_iter().map(str::to_owned).collect())
            .map_err(str::to_owned);
        assert_eq!(exchangers_of(answer), expected);
    }
}

fn routed(
    hosts: Vec<(u16, &str, Result<Addresses, LookupError>)>,
    max_addresses: usize,
) -> Planned {
    let hosts = hosts
        .into_iter()
        .map(|(preference, host, answer)| (preference, domain(host), answer));
    route(
        &domain("example.com"),
        hosts.collect(),
        &Guard::default(),
        max_addresses,
    )
}

#[test]
fn hosts_become_addresses_in_their_order() {
    let planned = routed(
        vec![
            (
                10,
                "a.example",
                addresses(&["8.8.8.1", "8.8.8.2", "8.8.8.3"]),
            ),
            (20, "b.example", Err(LookupError::NoSuchDomain)),
            (30, "c.example", addresses(&["127.0.0.1", "8.8.4.4"])),
        ],
        5,
    );
    assert_eq!(
        dialled(&planned),
        [
            "a.example 8.8.8.1",
            "a.example 8.8.8.2",
            "c.example 8.8.4.4"
        ]
    );
    assert_eq!(planned.valid_for, HOUR);
}

#[test]
fn addresses_are_bounded() {
    let ips: Vec<_> = (1..50).map(|n| format!("8.8.8.{n}")).collect();
    let ips: Vec<_> = ips.iter().map(String::as_str).collect();
    let alone = routed(vec![(10, "a.example", addresses(&ips))], 5);
    assert_eq!(dialled(&alone).len(), 5);
    let names: Vec<_> = (0..20).map(|n| format!("mx{n}.example")).collect();
    let many = names
        .iter()
        .map(|name| (10, name.as_str(), addresses(&ips)));
    assert_eq!(dialled(&routed(many.collect(), 5)).len(), 5);
}

#[test]
fn hosts_without_a_usable_address_are_refused() {
    for (answers, expected) in [
        (
            vec![addresses(&["127.0.0.1"]), addresses(&["10.0.0.1"])],
            "550 5.4.4 network_error",
        ),
        (
            vec![Err(LookupError::NoSuchDomain), Err(LookupError::NoData)],
            "550 5.4.4 network_error",
        ),
        (
            vec![addresses(&["10.0.0.1"]), temporary()],
            "451 4.4.3 network_error",
        ),
    ] {
        let hosts = answers.into_iter().map(|answer| (10, "a.example", answer));
        assert_eq!(refused(&routed(hosts.collect(), 5)), expected);
    }
}

#[test]
fn a_missing_answer_shortens_the_life_of_a_route() {
    let planned = routed(
        vec![
            (10, "a.example", temporary()),
            (20, "b.example", addresses(&["8.8.8.8"])),
        ],
        5,
    );
    assert_eq!(dialled(&planned), ["b.example 8.8.8.8"]);
    assert_eq!(planned.valid_for, REFUSAL_LIFETIME);
}

#[test]
fn a_domain_without_mx_is_its_own_host() {
    let implicit = |answer| implicit(&domain("example.com"), answer, &Guard::default(), 5);
    assert_eq!(
        dialled(&implicit(addresses(&["8.8.8.8"]))),
        ["example.com 8.8.8.8"]
    );
    for (answer, expected) in [
        (Err(LookupError::NoSuchDomain), "550 5.1.2 no_such_domain"),
        (Err(LookupError::NoData), "550 5.4.4 no_such_domain"),
        (temporary(), "451 4.4.3 network_error"),
        (addresses(&["127.0.0.1"]), "550 5.4.4 network_error"),
    ] {
        assert_eq!(refused(&implicit(answer)), expected);
    }
}

#[test]
fn plans_live_neither_too_long_nor_too_short() {
    let held = |valid_for| {
        let planned = Planned {
            valid_for,
            ..routed(vec![(10, "a.example", addresses(&["8.8.8.8"]))], 5)
        };
        planned.held_for_at_most(HOUR).valid_for
    };
    assert_eq!(held(Duration::ZERO), SHORTEST_LIFETIME);
    assert_eq!(held(HOUR / 2), HOUR / 2);
    assert_eq!(held(HOUR * 2), HOUR);
}

#[test]
fn a_site_is_its_hosts_whatever_their_order() {
    let (a, b) = (domain("a.example"), domain("b.example"));
    assert_eq!(SiteKey::new([&a, &b]), SiteKey::new([&b, &a, &b]));
    assert_ne!(SiteKey::new([&a, &b]), SiteKey::new([&a]));
}

#[test]
fn only_equal_preferences_are_shuffled_and_hosts_keep_their_addresses_together() {
    let target = |preference, host: &str, last: u8| Target {
        relay: None,
        named_port: None,
        preference,
        host: domain(host),
        ip: IpAddr::from([8, 8, 8, last]),
    };
    let route = Route {
        site: SiteKey::new([&domain("a.example")]),
        targets: vec![
            target(10, "a.example", 1),
            target(10, "a.example", 2),
            target(10, "b.example", 3),
            target(20, "c.example", 4),
        ],
    };
    let order_by = |rolls: [u64; 3]| {
        let mut rolls = rolls.into_iter();
        let targets = route.shuffled(|| rolls.next().unwrap());
        targets
            .iter()
            .map(|target| target.ip.to_string().pop().unwrap())
            .collect::<String>()
    };
    assert_eq!(order_by([1, 2, 0]), "1234");
    assert_eq!(order_by([2, 1, 0]), "3124");
}
