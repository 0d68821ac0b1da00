use MachineReason::*;
use postbell_model::{DeliveryId, WorkspaceId};

use super::*;

const MEASURES: Measures = Measures {
    hold: Duration::from_secs(5),
    early: Duration::from_secs(2),
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + millis * 1_000)
}

fn delivery() -> DeliveryId {
    DeliveryId::from_bytes([7; 16])
}

fn hit(millis: i64, target: HitTarget) -> Hit {
    Hit {
        workspace: WorkspaceId(1),
        delivery: delivery(),
        at: at(millis),
        target,
        ip: None,
        user_agent: String::new(),
        signs: Vec::new(),
        proxy: None,
    }
}

fn link(millis: i64, name: &str) -> Hit {
    let url = format!("https://shop.example/{name}");
    hit(millis, HitTarget::Link { url, index: 0 })
}

fn pixel(millis: i64) -> Hit {
    hit(millis, HitTarget::Pixel)
}

/// The hits of a delivery that was made an hour before.
fn visited(hits: Vec<Hit>) -> Visited {
    Visited {
        delivery: delivery(),
        hits: (1..).zip(hits).collect(),
        delivered_at: Some(at(-3_600_000)),
        before: Some(VisitsBefore::default()),
    }
}

/// Reasons and count of each, in the order in which they are told.
fn told(visited: &Visited) -> Vec<(Vec<MachineReason>, Option<u32>)> {
    let told = judge(visited, MEASURES);
    let engagements = told.facts.iter().map(|(_, fact)| match fact {
        Fact::Open(engagement) => engagement.as_ref(),
        Fact::Click(click) => &click.engagement,
        other => panic!("{other:?}"),
    });
    engagements
        .map(|one| (one.machine_reasons.clone(), one.count))
        .collect()
}

fn reasons(visited: &Visited) -> Vec<Vec<MachineReason>> {
    told(visited)
        .into_iter()
        .map(|(reasons, _)| reasons)
        .collect()
}

#[test]
fn a_person_opens_and_clicks() {
    let visited = visited(vec![
        pixel(0),
        link(4_000, "a"),
        link(4_500, "a"),
        pixel(60_000),
    ]);
    let counts = told(&visited);
    assert_eq!(
        counts,
        [
            (vec![], Some(1)),
            (vec![], Some(1)),
            (vec![], Some(2)),
            (vec![], Some(2)),
        ]
    );
}

#[test]
fn hits_are_told_in_the_order_in_which_they_came() {
    let visited = visited(vec![pixel(100), pixel(50), pixel(50)]);
    let told = judge(&visited, MEASURES);
    assert_eq!(told.hits, [2, 3, 1]);
    let times: Vec<_> = told.facts.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [at(50), at(50), at(100)]);
}

#[test]
fn several_links_within_the_hold_are_a_machines() {
    let walk = visited(vec![
        link(0, "a"),
        link(100, "b"),
        link(200, "c"),
        pixel(200),
    ]);
    assert_eq!(
        reasons(&walk),
        [
            vec![SeveralLinks],
            vec![SeveralLinks],
            vec![SeveralLinks],
            vec![]
        ]
    );
    let reader = visited(vec![link(0, "a"), link(5_000, "b"), link(10_000, "c")]);
    assert_eq!(reasons(&reader), [vec![], vec![], vec![]]);
    let just = visited(vec![link(0, "a"), link(4_999, "b"), link(60_000, "c")]);
    assert_eq!(
        reasons(&just),
        [vec![SeveralLinks], vec![SeveralLinks], vec![]]
    );
}

#[test]
fn a_walk_goes_on_after_it_was_told_of() {
    let mut later = visited(vec![link(6_000, "d"), link(20_000, "a")]);
    later.before = Some(VisitsBefore {
        opens: 1,
        clicks: 3,
        clicked_at: Some(at(4_000)),
        clicked_link: None,
    });
    assert_eq!(
        told(&later),
        [(vec![SeveralLinks], Some(4)), (vec![], Some(5))]
    );
    // Whoever follows a link once more is no walker.
    for (told_of, reasons) in [(8, vec![SeveralLinks]), (7, vec![])] {
        let mut again = visited(vec![link(6_000, "d")]);
        let HitTarget::Link { index, .. } = &mut again.hits[0].1.target else {
            panic!("it is a link");
        };
        *index = 7;
        again.before = later.before.map(|before| VisitsBefore {
            clicked_link: Some(told_of),
            ..before
        });
        assert_eq!(told(&again), [(reasons, Some(4))]);
    }
}

#[test]
fn nobody_reads_mail_before_it_is_there() {
    let mut early = visited(vec![pixel(-1), pixel(0), pixel(1_999), pixel(2_000)]);
    early.delivered_at = Some(at(0));
    assert_eq!(
        reasons(&early),
        [
            vec![BeforeDelivery],
            vec![RightAfterDelivery],
            vec![RightAfterDelivery],
            vec![]
        ]
    );
    early.delivered_at = None;
    assert!(reasons(&early).iter().all(|all| *all == [BeforeDelivery]));
}

#[test]
fn of_what_was_removed_nothing_is_counted_and_no_time_is_known() {
    let mut old = visited(vec![pixel(0), link(9_000, "a")]);
    (old.delivered_at, old.before) = (None, None);
    assert_eq!(told(&old), [(vec![], None), (vec![], None)]);
}

#[test]
fn what_the_request_told_stays_and_stands_once() {
    let mut machine = pixel(0);
    machine.signs = vec![HeadRequest, ScannerAgent, ScannerAgent];
    assert_eq!(
        reasons(&visited(vec![machine])),
        [vec![ScannerAgent, HeadRequest]]
    );
}
