use super::*;

#[test]
fn the_busiest_are_named_and_the_others_are_one() {
    let mut state = State::new(LIMITS);
    for (name, count) in [("few.example", 1), ("many.example", 6), ("some.example", 3)] {
        state.offer(parcels(count, 1, name), START);
        state.planned(&heading(name), route_to(&format!("mx.{name}")), START);
    }
    let busy = state.busy_sites(1, START);
    let names: Vec<_> = busy.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["mx.many.example"]);
    let other = busy.other.unwrap();
    assert_eq!((other.name.as_str(), other.waiting), ("other", 4));
    assert_eq!((busy.count, busy.waiting), (3, 10));

    let all = state.busy_sites(3, START);
    assert_eq!((all.sites.len(), all.other), (3, None));
    let most = &all.sites[0];
    assert_eq!((most.name.as_str(), most.waiting), ("mx.many.example", 6));
}

#[test]
fn a_site_that_is_left_alone_is_told_of() {
    let mut state = State::new(LIMITS);
    state.offer(parcels(1, 1, "dead.example"), START);
    let planned = route_to("mx.dead.example");
    state.planned(&heading("dead.example"), planned, START);
    assert_eq!(state.busy_sites(9, START).sites[0].paused, 0);
    let key = site("mx.dead.example");
    let found = state.sites.get_mut(&key).unwrap();
    found.unreachable(START, HOUR, HOUR, |pause| pause);
    assert_eq!(state.busy_sites(9, START).sites[0].paused, 1);
}
