//! What an operator does to what waits in memory.

use postbell_store::DeliveryFilter;

use super::*;

fn to(name: &str) -> DeliveryFilter {
    DeliveryFilter {
        domain: Some(domain(name)),
        ..DeliveryFilter::default()
    }
}

#[test]
fn what_waits_is_put_aside_and_what_is_under_way_is_not() {
    let mut state = state_with(&["a.example", "b.example"]);
    state.offer(parcels(5, 1, "a.example"), START);
    state.offer(parcels(2, 2, "b.example"), START);
    state.offer(parcels(3, 1, "new.example"), START);
    let workers = dialled(&mut state);
    let key = site("mx.a.example");
    state.greeted(&key);
    assert!(matches!(
        next(&mut state, &key, workers[0].1),
        Next::Deliver(_)
    ));
    assert_eq!(state.counts().0, 9);

    assert_eq!(state.put_aside(&to("a.example")).len(), 4);
    assert_eq!(state.put_aside(&to("a.example")).len(), 0);
    assert_eq!(
        state.put_aside(&to("new.example")).len(),
        3,
        "its plan is not there yet"
    );
    assert_eq!(state.counts().0, 2);
    assert!(matches!(next(&mut state, &key, workers[0].1), Next::Wait));

    let others = DeliveryFilter {
        workspace: Some(WorkspaceId(1)),
        ..DeliveryFilter::default()
    };
    assert_eq!(state.put_aside(&others).len(), 0);
    assert_eq!(state.put_aside(&DeliveryFilter::default()).len(), 2);
    assert_eq!(state.counts().0, 0);
    state.planned(&heading("new.example"), route_to("mx.new.example"), START);
    assert!(dialled(&mut state).is_empty(), "nothing waits for it");
}

#[test]
fn a_pause_ends_where_the_operator_says_so() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(1, 1, "a.example"), START);
    let workers = dialled(&mut state);
    state.unreachable(&key, START, NOW);
    state.leave(&key, workers[0].1, Stand::Opening);
    assert_eq!(state.room_for(&lane(1, "a.example"), START), 0);

    state.hurry([domain("a.example"), domain("other.example")].iter(), START);
    assert!(state.room_for(&lane(1, "a.example"), START) > 0);
    state.offer(parcels(3, 1, "a.example"), START);
    assert_eq!(dialled(&mut state).len(), 1, "one goes first");
}
