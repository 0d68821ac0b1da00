//! Limits that change while mail is delivered.

use super::*;

#[test]
fn other_limits_hold_for_sites_that_are_known() {
    let usual = State::new(LIMITS).rules().of([]);
    let slow = SiteLimits {
        rate: Rate::parse("1/m"),
        connections: 1,
        ..usual
    };
    let mut state = State::new(LIMITS).with_rules(SiteRules::new(slow, Vec::new()));
    let key = site("mx.a.example");
    state.offer(parcels(5, 1, "a.example"), START);
    state.planned(&heading("a.example"), route_to("mx.a.example"), START);
    let worker = dialled(&mut state)[0].1;
    state.greeted(&key);
    assert!(matches!(next(&mut state, &key, worker), Next::Deliver(_)));
    assert!(matches!(next(&mut state, &key, worker), Next::Hold(_)));

    state.limit_to(LIMITS, SiteRules::new(usual, Vec::new()));
    assert_eq!(dialled(&mut state).len(), 1, "one more is welcome");
    assert!(matches!(next(&mut state, &key, worker), Next::Deliver(_)));
    assert_eq!(state.limits_of(&key).unwrap().rate, None);
}

#[test]
fn plans_are_made_anew_and_the_old_one_serves_meanwhile() {
    let mut state = state_with(&["a.example"]);
    state.limit_to(LIMITS, State::new(LIMITS).rules().clone());
    state.offer(parcels(1, 1, "a.example"), START);
    let looked_up = |order: &Order| matches!(order, Order::LookUp(_));
    assert!(state.orders.iter().any(looked_up));
    assert_eq!(take_all(&mut state, &site("mx.a.example")).len(), 1);
}
