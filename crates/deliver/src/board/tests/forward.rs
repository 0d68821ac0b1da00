//! Mail that a route sends on to a server, beside mail to the hosts of its domain.

use postbell_model::{Authentication, Forward, ForwardWay, InboundId};

use super::*;

fn forward(name: &str, way: ForwardWay) -> Parcel {
    let mut parcel = parcel(1, name, 1_000);
    let message = Message::clone(&parcel.claimed.message);
    parcel.claimed.message = Arc::new(Message {
        forward: Some(Box::new(Forward {
            of: InboundId::from_bytes([7; 16]),
            via: Address::parse("a@a.example").unwrap(),
            way,
            authentication: Authentication::default(),
        })),
        ..message
    });
    parcel
}

fn to_server() -> (Heading, Parcel) {
    let host = domain("server.example");
    let way = ForwardWay::Host {
        host: host.clone(),
        port: 25,
    };
    (Heading::Host { host, port: 25 }, forward("a.example", way))
}

#[test]
fn a_server_has_a_plan_of_its_own() {
    let mut state = State::new(LIMITS);
    let (server, parcel) = to_server();
    state.offer(parcels(1, 1, "a.example"), START);
    state.offer(vec![parcel], START);
    let orders = std::mem::take(&mut state.orders);
    let [Order::LookUp(first), Order::LookUp(second)] = orders.as_slice() else {
        panic!("{orders:?}");
    };
    assert_eq!((first, second), (&heading("a.example"), &server));
    state.planned(&server, route_to("smtp.server.example"), START);
    state.planned(&heading("a.example"), route_to("mx.a.example"), START);
    let sites: Vec<_> = dialled(&mut state)
        .into_iter()
        .map(|(site, _)| site)
        .collect();
    assert_eq!(sites, [site("smtp.server.example"), site("mx.a.example")]);
    // A new plan for the domain leaves what waits for the server where it is.
    let late = START.after(2 * HOUR);
    state.offer(parcels(1, 1, "a.example"), late);
    state.planned(&heading("a.example"), refused("a.example", 550), late);
    let refused = state.orders.iter().map(|order| match order {
        Order::Refuse(parcels, _) => parcels.len(),
        _ => 0,
    });
    assert_eq!(refused.sum::<usize>(), 2);
    assert_eq!(state.counts().0, 1);
}

#[test]
fn what_waits_for_a_server_counts_for_its_lane() {
    let mut state = State::new(LIMITS);
    let lane = lane(1, "a.example");
    let before = state.room_for(&lane, START);
    for _ in 0..3 {
        state.offer(vec![to_server().1], START);
    }
    let server = to_server().0;
    state.planned(&server, route_to("smtp.server.example"), START);
    assert!(before - state.room_for(&lane, START) >= 3, "{before}");
    // And while the server is left alone nothing more is claimed.
    let key = site("smtp.server.example");
    for (_, worker) in dialled(&mut state) {
        state.unreachable(&key, START, NOW);
        state.leave(&key, worker, Stand::Opening);
    }
    assert_eq!(state.room_for(&lane, START), 0);
}

#[test]
fn what_goes_nowhere_is_refused_at_once() {
    let mut state = State::new(LIMITS);
    let reply = Reply::new(554, 4, 6, "Mail loop");
    state.offer(
        vec![forward("a.example", ForwardWay::Nowhere(reply.clone()))],
        START,
    );
    let [Order::Refuse(parcels, refusal)] = state.orders.as_slice() else {
        panic!("{:?}", state.orders);
    };
    assert_eq!((parcels.len(), &refusal.reply), (1, &reply));
    assert_eq!(state.counts(), (0, 0));
}
