//! What a worker remembers of links and sessions is bounded, whatever its senders do.

use frame_pipeline::builtin;

use super::*;
use crate::lanes::end::LinkEnd as _;

fn links() -> Links {
    Links::new(Work {
        pipeline: PipelineConfig::default(),
        processors: vec![builtin("none").unwrap()],
    })
}

fn query(link: u64, attach: bool) -> LinkQuery {
    LinkQuery {
        link: Some(link),
        epoch: 1,
        lane: 17,
        attach,
        ..LinkQuery::default()
    }
}

fn seat(links: &Links, now: Instant, link: u64, attach: bool) -> Place {
    let place = links.join(now, &query(link, attach)).unwrap();
    links.seated(place.lane, Seat::Socket(Arc::default()));
    place
}

fn sessions(links: &Links) -> usize {
    links.table.lock().unwrap().sessions.len()
}

#[test]
fn sessions_that_died_are_forgotten_while_their_link_lives() {
    let (links, now) = (links(), Instant::now());
    let first = seat(&links, now, 1, false);
    for _ in 0..3 * MAX_SESSIONS {
        let place = seat(&links, now, 1, true);
        place.port.closed(now, place.lane, "its path was cut");
        assert!(sessions(&links) <= MAX_SESSIONS);
    }
    let living = seat(&links, now, 1, true);
    assert!(links.sweep(now).is_empty(), "nothing is closed that lives");
    assert_eq!(sessions(&links), 1);
    assert!(links.session(living.lane).is_some());
    drop(first);
}

#[test]
fn a_link_of_the_same_name_takes_the_sessions_of_the_former_with_it() {
    let (links, now) = (links(), Instant::now());
    seat(&links, now, 1, false);
    let again = seat(&links, now, 1, false);
    assert_eq!(again.superseded.len(), 1);
    assert!(again.replaced.is_empty());
    assert_eq!((links.snapshots(now).len(), sessions(&links)), (1, 1));
}

#[test]
fn links_that_nobody_came_to_and_broken_ones_make_room() {
    let (links, now) = (links(), Instant::now());
    let places: Vec<_> = (0..MAX_LINKS as u64)
        .map(|link| seat(&links, now, link, false))
        .collect();
    let refused = links.join(now, &query(99, false));
    assert!(matches!(refused, Err(JoinError::TooMany)));
    places[3]
        .port
        .link()
        .goodbye(now, GoodbyeCode::ProtocolError, "an ack for nothing");
    assert_eq!(links.sweep(now).len(), 1);
    assert_eq!(
        (links.broken(), links.snapshots(now).len()),
        (1, MAX_LINKS - 1)
    );
    // The others' time comes, whether their sessions ended meanwhile or not.
    places[0]
        .port
        .closed(now + UNUSED / 2, places[0].lane, "its invitation is over");
    assert!(
        links
            .sweep(now + UNUSED - Duration::from_millis(1))
            .is_empty()
    );
    assert_eq!(links.sweep(now + UNUSED).len(), MAX_LINKS - 2);
    assert_eq!((links.broken(), links.snapshots(now).len()), (1, 0));
    seat(&links, now + UNUSED, 99, false);
}
