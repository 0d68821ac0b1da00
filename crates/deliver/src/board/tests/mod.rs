mod aside;
mod busy;
mod flapping;
mod forward;
mod limits;

use std::net::Ipv4Addr;

use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::{
    Address, BounceClass, ConfigurationSetId, Delivery, DeliveryId, Instructions, Message,
    MessageId, Reply, ReportRequest, ReversePath, Timestamp, WorkspaceId,
};
use postbell_store::Body;

use super::*;
use crate::plan::{Plan, Target};
use crate::rules::{Rate, SiteLimits};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const START: Monotonic = Monotonic(Duration::ZERO);
const HOUR: Duration = Duration::from_secs(3_600);

const LIMITS: Limits = Limits {
    waiting: 80,
    batch: 8,
    connections: 8,
    connections_per_site: 4,
    lookups: 2,
    plans: 100,
    pause: Duration::from_secs(10),
    longest_pause: Duration::from_secs(60),
    pause_spread: 0,
};

fn parcel(workspace: u32, domain: &str, size: u64) -> Parcel {
    let workspace = WorkspaceId(workspace);
    let message = Message {
        id: MessageId::new(NOW),
        workspace,
        configuration_set: ConfigurationSetId(1),
        mail_from: ReversePath::Null,
        source: String::new(),
        subject: String::new(),
        header_message_id: String::new(),
        accepted_at: NOW,
        size,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: String::new(),
            peer: None,
            with: String::new(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    };
    let claimed = Claimed {
        delivery: Delivery {
            id: DeliveryId::new(NOW),
            recipient: Address::parse(&format!("a@{domain}")).unwrap(),
            attempt: 1,
            sequence: 1,
            expires_at: NOW.after(HOUR),
            report: ReportRequest::default(),
        },
        message: Arc::new(message),
        body: Body::Memory(Bytes::new()),
    };
    Parcel::new(claimed, None)
}

fn board() -> Board {
    let usual = State::new(LIMITS).rules().clone();
    Board::new(LIMITS, usual)
}

fn parcels(count: usize, workspace: u32, domain: &str) -> Vec<Parcel> {
    (0..count)
        .map(|_| parcel(workspace, domain, 1_000))
        .collect()
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn heading(name: &str) -> Heading {
    Heading::Domain(domain(name))
}

fn lane(workspace: u32, name: &str) -> Lane {
    Lane {
        workspace: WorkspaceId(workspace),
        domain: domain(name),
    }
}

fn route_to(host: &str) -> Planned {
    let host = domain(host);
    let route = Route {
        site: SiteKey::new([&host]),
        targets: vec![Target {
            preference: 10,
            host,
            ip: Ipv4Addr::LOCALHOST.into(),
            relay: None,
            named_port: None,
        }],
    };
    Planned {
        plan: Plan::Route(Arc::new(route)),
        valid_for: HOUR,
    }
}

fn refused(name: &str, code: u16) -> Planned {
    Planned::refused(Refusal {
        host: domain(name),
        reply: Reply::plain(code, "no"),
        class: BounceClass::NoSuchDomain,
    })
}

fn site(host: &str) -> SiteKey {
    SiteKey::new([&domain(host)])
}

/// A state with a known route for each of these domains, `mx.<domain>`.
fn state_with(domains: &[&str]) -> State {
    let mut state = State::new(LIMITS);
    for name in domains {
        state.offer(parcels(1, 9, name), START);
        state.planned(&heading(name), route_to(&format!("mx.{name}")), START);
        let worker = dialled(&mut state)[0].1;
        let key = site(&format!("mx.{name}"));
        state.greeted(&key);
        assert!(matches!(next(&mut state, &key, worker), Next::Deliver(_)));
        state.answered(&key);
        state.leave(&key, worker, Stand::Ready);
    }
    assert_eq!(state.counts(), (0, 0));
    state
}

fn next(state: &mut State, key: &SiteKey, worker: WorkerId) -> Next {
    state.next(key, worker, &Arc::default(), START)
}

fn dialled(state: &mut State) -> Vec<(SiteKey, WorkerId)> {
    let orders = std::mem::take(&mut state.orders);
    let dials = orders.into_iter().filter_map(|order| match order {
        Order::Dial(site, worker) => Some((site, worker)),
        _ => None,
    });
    dials.collect()
}

fn released(state: &mut State) -> Vec<(usize, Duration)> {
    let orders = std::mem::take(&mut state.orders);
    let releases = orders.into_iter().filter_map(|order| match order {
        Order::Release(parcels, after) => Some((parcels.len(), after)),
        _ => None,
    });
    releases.collect()
}

fn take_all(state: &mut State, key: &SiteKey) -> Vec<Parcel> {
    let mut taken = Vec::new();
    while let Next::Deliver(parcel) = next(state, key, 0) {
        taken.push(*parcel);
    }
    taken
}

#[test]
fn a_domain_is_looked_up_once_and_what_waited_is_delivered() {
    let mut state = State::new(LIMITS);
    state.offer(parcels(3, 1, "a.example"), START);
    state.offer(parcels(2, 2, "a.example"), START);
    let orders = std::mem::take(&mut state.orders);
    assert!(matches!(&orders[..], [Order::LookUp(name)] if *name == heading("a.example")));
    state.planned(&heading("a.example"), route_to("mx.example"), START);
    assert_eq!(
        dialled(&mut state).len(),
        2,
        "a new site gets few connections"
    );
    state.greeted(&site("mx.example"));
    assert_eq!(take_all(&mut state, &site("mx.example")).len(), 5);
    assert_eq!(state.counts().0, 0);
}

#[test]
fn lookups_are_bounded_and_the_rest_follow() {
    let mut state = State::new(LIMITS);
    for name in ["a.example", "b.example", "c.example"] {
        state.offer(parcels(1, 1, name), START);
    }
    assert_eq!(std::mem::take(&mut state.orders).len(), 2);
    let next = state.planned(&heading("a.example"), route_to("mx.example"), START);
    assert_eq!(next, Some(heading("c.example")));
    assert_eq!(
        state.planned(&heading("b.example"), route_to("mx.example"), START),
        None
    );
}

#[test]
fn a_refused_domain_refuses_what_waits_and_what_comes() {
    let mut state = State::new(LIMITS);
    state.offer(parcels(2, 1, "a.example"), START);
    state.orders.clear();
    state.planned(&heading("a.example"), refused("a.example", 550), START);
    state.offer(parcels(1, 2, "a.example"), START);
    let sizes: Vec<_> = state
        .orders
        .iter()
        .map(|order| match order {
            Order::Refuse(parcels, _) => parcels.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(sizes, [2, 1]);
    state.orders.clear();
    state.offer(parcels(1, 1, "a.example"), START.after(HOUR));
    assert!(
        matches!(&state.orders[..], [Order::LookUp(_)]),
        "a refusal runs out"
    );
    assert_eq!(state.counts().0, 1);
}

#[test]
fn a_route_is_used_while_it_is_looked_up_again_and_outlives_a_silent_dns() {
    let mut state = state_with(&["a.example"]);
    let late = START.after(HOUR * 2);
    state.offer(parcels(1, 1, "a.example"), late);
    let orders = std::mem::take(&mut state.orders);
    assert!(matches!(&orders[..], [Order::Dial(..), Order::LookUp(_)]));
    state.planned(&heading("a.example"), refused("a.example", 451), late);
    assert_eq!(state.counts().0, 1);
    state.offer(
        parcels(1, 1, "a.example"),
        late.after(Duration::from_secs(1)),
    );
    assert_eq!(state.counts().0, 2, "the old route still serves");
}

#[test]
fn a_changed_route_takes_along_what_waits() {
    let mut state = state_with(&["a.example"]);
    let late = START.after(HOUR * 2);
    state.offer(parcels(3, 1, "a.example"), late);
    state.orders.clear();
    state.planned(&heading("a.example"), route_to("new.example"), late);
    assert_eq!(dialled(&mut state)[0].0, site("new.example"));
    assert_eq!(take_all(&mut state, &site("mx.a.example")).len(), 0);
    assert_eq!(take_all(&mut state, &site("new.example")).len(), 3);
}

#[test]
fn lanes_of_a_site_take_turns_by_octets() {
    let mut state = State::new(LIMITS);
    state.offer(
        (0..40).map(|_| parcel(1, "a.example", 62 * 1024)).collect(),
        START,
    );
    state.offer(
        (0..40).map(|_| parcel(2, "a.example", 2 * 1024)).collect(),
        START,
    );
    state.planned(&heading("a.example"), route_to("mx.example"), START);
    let taken = take_all(&mut state, &site("mx.example"));
    let octets_of = |workspace: u32| -> u64 {
        let early = taken.iter().take(34);
        let of = early.filter(|parcel| parcel.claimed.message.workspace.0 == workspace);
        of.map(|parcel| parcel.claimed.message.size + 2 * 1024)
            .sum()
    };
    assert_eq!(taken.len(), 80);
    assert_eq!((octets_of(1), octets_of(2)), (2 * 64 * 1024, 2 * 64 * 1024));
}

#[test]
fn a_small_lane_does_not_wait_for_a_large_one() {
    let mut state = State::new(LIMITS);
    state.offer(parcels(2_000, 1, "a.example"), START);
    state.offer(parcels(1, 2, "b.example"), START);
    state.planned(&heading("a.example"), route_to("mx.example"), START);
    state.planned(&heading("b.example"), route_to("mx.example"), START);
    let taken = take_all(&mut state, &site("mx.example"));
    let place = taken
        .iter()
        .position(|parcel| parcel.claimed.message.workspace.0 == 2);
    assert!(place.is_some_and(|place| place <= 64), "{place:?}");
}

#[test]
fn no_lane_is_given_all_the_room() {
    let mut state = state_with(&[]);
    assert_eq!(state.room_for(&lane(1, "a.example"), START), 8);
    let mut lanes = 0;
    while state.counts().0 < LIMITS.waiting {
        let name = format!("d{lanes}.example");
        let room = state.room_for(&lane(1, &name), START);
        assert!(
            room > 0,
            "a new lane always gets something while there is room"
        );
        state.offer(parcels(room, 1, &name), START);
        assert_eq!(
            state.room_for(&lane(1, &name), START),
            0,
            "and no more than its share"
        );
        lanes += 1;
    }
    assert!(lanes > 10, "{lanes}");
    assert_eq!(state.room_for(&lane(1, "other.example"), START), 0);
}

#[test]
fn an_idle_connection_is_woken_before_another_is_opened() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(1, 1, "a.example"), START);
    let worker = dialled(&mut state)[0].1;
    state.greeted(&key);
    take_all(&mut state, &key);
    let bell = Arc::new(Notify::new());
    state.awake(&key, 0);
    assert!(matches!(state.next(&key, worker, &bell, START), Next::Wait));
    state.offer(parcels(1, 1, "a.example"), START);
    assert!(dialled(&mut state).is_empty());
    state.awake(&key, worker);
    assert!(matches!(
        state.next(&key, worker, &bell, START),
        Next::Deliver(_)
    ));
}

#[test]
fn connections_grow_with_what_is_delivered_up_to_the_limit() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(50, 1, "a.example"), START);
    let mut open = dialled(&mut state).len();
    for _ in 0..20 {
        for _ in 0..open {
            state.greeted(&key);
        }
        state.answered(&key);
        open += dialled(&mut state).len();
    }
    assert_eq!(open, LIMITS.connections_per_site);
}

#[test]
fn what_waits_for_a_site_that_nobody_knew_shares_its_fate() {
    let mut state = State::new(LIMITS);
    let key = site("mx.a.example");
    state.offer(parcels(5, 1, "a.example"), START);
    state.planned(&heading("a.example"), route_to("mx.a.example"), START);
    let workers = dialled(&mut state);
    assert!(state.unreachable(&key, START, NOW).is_empty());
    state.leave(&key, workers[0].1, Stand::Opening);
    assert_eq!(state.unreachable(&key, START, NOW).len(), 5);
}

#[test]
fn what_has_no_time_to_wait_shares_the_fate_of_what_went_first() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    let mut some = parcels(4, 1, "a.example");
    some[2].claimed.delivery.expires_at = NOW.after(Duration::from_secs(10));
    state.offer(some, START);
    let workers = dialled(&mut state);
    state.unreachable(&key, START, NOW);
    state.leave(&key, workers[0].1, Stand::Opening);
    assert_eq!(state.unreachable(&key, START, NOW).len(), 2);
    assert_eq!(released(&mut state), [(2, Duration::from_secs(10))]);
}

#[test]
fn mail_that_leaves_in_different_ways_shares_no_connection() {
    let mut state = state_with(&["a.example"]);
    let egress = Arc::new(Egress {
        ipv4: Some(Ipv4Addr::new(192, 0, 2, 7)),
        ..Egress::default()
    });
    let mut some = parcels(2, 1, "a.example");
    some[1].egress = Some(Arc::clone(&egress));
    state.offer(some, START);
    let (usual, other) = (
        site("mx.a.example"),
        site("mx.a.example").leaving_by(Some(egress)),
    );
    let keys: Vec<_> = dialled(&mut state)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, [usual.clone(), other.clone()]);
    assert_eq!(state.unreachable(&other, START, NOW).len(), 1);
    assert!(
        state.room_for(&lane(1, "a.example"), START) > 0,
        "the usual way is open"
    );
    assert_eq!(state.sites_of(&[domain("a.example")], START).len(), 2);
    let late = START.after(HOUR * 2);
    state.offer(parcels(1, 1, "a.example"), late);
    state.planned(&heading("a.example"), route_to("new.example"), late);
    assert_eq!(
        take_all(&mut state, &usual).len(),
        0,
        "all of it moves along"
    );
    assert_eq!(take_all(&mut state, &site("new.example")).len(), 2);
}

#[test]
fn a_rate_holds_messages_back_and_one_worker_waits() {
    let usual = State::new(LIMITS).rules().of([]);
    let limits = SiteLimits {
        rate: Rate::parse("1/m"),
        ..usual
    };
    let mut state = State::new(LIMITS).with_rules(SiteRules::new(limits, Vec::new()));
    let key = site("mx.a.example");
    state.offer(parcels(5, 1, "a.example"), START);
    state.planned(&heading("a.example"), route_to("mx.a.example"), START);
    let workers = dialled(&mut state);
    assert_eq!(workers.len(), 2);
    state.greeted(&key);
    state.greeted(&key);
    let bell = Arc::new(Notify::new());
    let next =
        |state: &mut State, worker: usize, now| state.next(&key, workers[worker].1, &bell, now);
    assert!(matches!(next(&mut state, 0, START), Next::Deliver(_)));
    assert!(matches!(next(&mut state, 1, START), Next::Leave));
    state.leave(&key, workers[1].1, Stand::Ready);
    state.answered(&key);
    assert!(
        dialled(&mut state).is_empty(),
        "more connections would not help"
    );
    let minute = Duration::from_secs(60);
    assert!(matches!(next(&mut state, 0, START), Next::Hold(wait) if wait == minute));
    let view = &state.sites_of(&[], START)[0];
    assert_eq!((view.held_for, view.waiting), (Some(minute), 4));
    assert!(matches!(
        next(&mut state, 0, START.after(minute)),
        Next::Deliver(_)
    ));
}

#[test]
fn one_goes_first_after_a_failure_and_after_each_pause() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(5, 1, "a.example"), START);
    let workers = dialled(&mut state);
    assert_eq!(workers.len(), 2);
    assert!(
        state.unreachable(&key, START, NOW).is_empty(),
        "another is still being made"
    );
    state.leave(&key, workers[0].1, Stand::Opening);
    assert_eq!(state.unreachable(&key, START, NOW).len(), 1);
    assert_eq!(released(&mut state), [(4, Duration::from_secs(10))]);
    state.leave(&key, workers[1].1, Stand::Opening);
    assert_eq!(state.counts(), (0, 0));
    assert_eq!(state.room_for(&lane(1, "a.example"), START), 0);
    let later = START.after(Duration::from_secs(4));
    state.offer(parcels(3, 1, "a.example"), later);
    assert_eq!(released(&mut state), [(3, Duration::from_secs(6))]);
    let over = START.after(Duration::from_secs(10));
    state.offer(parcels(3, 1, "a.example"), over);
    let workers = dialled(&mut state);
    assert_eq!(workers.len(), 1, "one connection tries again");
    let tried = state.unreachable(&key, over, NOW);
    assert_eq!(tried.len(), 1, "the others wait without an attempt");
    let doubled = Duration::from_secs(20);
    assert_eq!(released(&mut state), [(2, doubled)], "the pause doubles");
    state.leave(&key, workers[0].1, Stand::Opening);
    state.offer(parcels(1, 1, "a.example"), over);
    assert_eq!(released(&mut state), [(1, doubled)], "and holds");
}

#[test]
fn a_refused_connection_beside_working_ones_costs_nothing() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(50, 1, "a.example"), START);
    let workers = dialled(&mut state);
    state.greeted(&key);
    assert!(state.unreachable(&key, START, NOW).is_empty());
    state.leave(&key, workers[1].1, Stand::Opening);
    assert!(
        dialled(&mut state).is_empty(),
        "it is not dialled again at once"
    );
    for _ in 0..7 {
        assert!(matches!(
            next(&mut state, &key, workers[0].1),
            Next::Deliver(_)
        ));
        state.answered(&key);
        assert!(dialled(&mut state).is_empty());
    }
    next(&mut state, &key, workers[0].1);
    state.answered(&key);
    assert_eq!(dialled(&mut state).len(), 1, "but after a while");
}

#[test]
fn hanging_sites_leave_connections_for_those_that_work() {
    let mut state = state_with(&["live.example"]);
    for n in 0..10 {
        let name = format!("d{n}.example");
        state.offer(parcels(3, 1, &name), START);
        state.planned(&heading(&name), route_to(&format!("mx.{name}")), START);
    }
    assert_eq!(dialled(&mut state).len(), 6, "three quarters");
    state.offer(parcels(2, 1, "live.example"), START);
    let live = dialled(&mut state);
    assert_eq!(live.len(), 2);
    let key = site("mx.live.example");
    state.greeted(&key);
    assert!(
        matches!(next(&mut state, &key, live[0].1), Next::Deliver(_)),
        "nobody else may"
    );
    state.leave(&site("mx.d0.example"), 0, Stand::Opening);
    let fed = dialled(&mut state);
    assert_eq!(
        fed.len(),
        1,
        "a connection that is free again goes to who waits"
    );
}

#[test]
fn a_site_with_many_connections_gives_one_to_a_site_without() {
    let mut state = state_with(&["a.example", "b.example", "c.example"]);
    let (a, b, c) = (
        site("mx.a.example"),
        site("mx.b.example"),
        site("mx.c.example"),
    );
    let mut workers = Vec::new();
    for (name, key) in [("a.example", &a), ("b.example", &b)] {
        state.offer(parcels(50, 1, name), START);
        for _ in 0..LIMITS.connections_per_site {
            workers.extend(dialled(&mut state));
            state.greeted(key);
            state.answered(key);
        }
    }
    workers.extend(dialled(&mut state));
    assert_eq!((workers.len(), state.counts().1), (8, 8));
    assert!(matches!(
        next(&mut state, &a, workers[0].1),
        Next::Deliver(_)
    ));
    state.offer(parcels(1, 1, "c.example"), START);
    assert!(dialled(&mut state).is_empty());
    assert!(matches!(next(&mut state, &a, workers[0].1), Next::Leave));
    state.leave(&a, workers[0].1, Stand::Ready);
    assert_eq!(dialled(&mut state)[0].0, c);
    assert!(matches!(
        next(&mut state, &a, workers[1].1),
        Next::Deliver(_)
    ));
}

#[test]
fn when_it_closes_everything_comes_back() {
    let mut state = state_with(&["a.example"]);
    let key = site("mx.a.example");
    state.offer(parcels(2, 1, "a.example"), START);
    state.offer(parcels(2, 1, "unknown.example"), START);
    assert_eq!(state.close().len(), 4);
    assert_eq!(state.counts().0, 0);
    assert!(matches!(next(&mut state, &key, 1), Next::Leave));
    state.orders.clear();
    state.offer(parcels(1, 1, "a.example"), START);
    assert_eq!(released(&mut state), [(1, Duration::ZERO)]);
}

#[test]
fn guards_give_back_what_they_hold() {
    let board = Arc::new(board());
    board.offer(parcels(1, 1, "a.example"), START);
    board.planned(&heading("a.example"), route_to("mx.example"), START);
    let orders = std::mem::take(&mut board.locked().orders);
    let Some(Order::Dial(key, worker)) = orders.into_iter().nth(1) else {
        panic!("a connection is wanted");
    };
    let mut seat = Seat::new(board.clone(), key, worker);
    seat.greeted();
    let NextInHand::Deliver(in_hand) = seat.next(START) else {
        panic!("a delivery waits");
    };
    drop(in_hand);
    assert_eq!(released(&mut board.locked()), [(1, Duration::ZERO)]);
    drop(seat);
    assert_eq!(board.locked().counts(), (0, 0));
}

#[test]
fn a_panic_delays_the_delivery_and_frees_the_seat() {
    let board = Arc::new(board());
    board.offer(parcels(1, 1, "a.example"), START);
    board.planned(&heading("a.example"), route_to("mx.example"), START);
    board.locked().orders.clear();
    let worker = {
        let board = board.clone();
        std::thread::spawn(move || {
            let mut seat = Seat::new(board, site("mx.example"), 1);
            seat.greeted();
            let _in_hand = seat.next(START);
            panic!("on purpose");
        })
    };
    assert!(worker.join().is_err());
    let mut state = board.locked();
    assert_eq!(state.counts(), (0, 0));
    assert!(matches!(
        &std::mem::take(&mut state.orders)[..],
        [Order::Delay(_)]
    ));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut state = State::new(LIMITS);
    for n in 0..1_000 {
        let name = format!("d{n}.example");
        state.offer(parcels(1, 1, &name), START);
        assert!(matches!(&state.orders[..], [Order::LookUp(_)]));
        state.planned(&heading(&name), refused(&name, 550), START);
        state.orders.clear();
        assert!(state.remembered() <= LIMITS.plans);
    }
}
