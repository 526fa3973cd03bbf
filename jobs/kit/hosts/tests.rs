//! What one server that hangs does to the others.

use super::*;

/// As many visits as are let in, sent at this time.
fn fill(hosts: &Arc<Hosts>, name: &str, does: Does, now: Instant) -> (Vec<Visit>, Busy) {
    let mut visits = Vec::new();
    loop {
        match hosts.visit_at(name, does, now) {
            Ok(visit) => {
                visit.begins_at(now);
                visits.push(visit);
            }
            Err(busy) => return (visits, busy),
        }
        assert!(visits.len() <= hosts.slots, "{name} has more calls than there are slots");
    }
}

#[test]
fn one_that_never_answers_has_few_slots_and_then_one_at_a_time() {
    let (hosts, begin) = (Arc::new(Hosts::new(64)), Instant::now());
    let (visits, busy) = fill(&hosts, "a", Does::Read, begin);
    assert_eq!((visits.len(), busy), (8, Busy { standing: Standing::New, wait: NEW_WAIT }));
    let later = begin + SLOW;
    assert_eq!(hosts.visit_at("a", Does::Read, later).unwrap_err().standing, Standing::Silent);
    assert!(visits.iter().all(|visit| !visit.is_let_go(later)), "an eighth may go on");
    let later = begin + Duration::from_secs(30);
    for visit in &visits {
        visit.ended_at(false, later);
    }
    drop(visits);
    let (visits, busy) = fill(&hosts, "a", Does::Read, later);
    assert_eq!((visits.len(), busy.standing), (1, Standing::Silent));
    visits[0].ended_at(true, later);
    drop(visits);
    let good: Vec<_> = (0..64).map(|_| hosts.visit_at("a", Does::Read, later)).collect();
    assert!(good.iter().all(Result::is_ok), "it answers: it may have all of them");
}

#[test]
fn one_that_begins_to_hang_lets_go_what_only_reads() {
    let (hosts, begin) = (Arc::new(Hosts::new(64)), Instant::now());
    let first = hosts.visit_at("a", Does::Read, begin).unwrap();
    first.begins_at(begin);
    first.ended_at(true, begin);
    drop(first);
    let reads: Vec<_> = (0..60).map(|_| hosts.visit_at("a", Does::Read, begin).unwrap()).collect();
    for visit in &reads {
        visit.begins_at(begin);
    }
    let let_go = |now| reads.iter().filter(|visit| visit.is_let_go(now)).count();
    assert_eq!(let_go(begin + SLOW / 2), 0);
    assert_eq!(let_go(begin + SLOW), 52, "all but an eighth of the slots");
    // One answer, and it does not hang.
    reads[0].ended_at(true, begin + SLOW);
    assert_eq!(let_go(begin + SLOW), 0);
}

#[test]
fn what_cannot_be_let_go_has_half_of_the_slots() {
    let (hosts, begin) = (Arc::new(Hosts::new(8)), Instant::now());
    let first = hosts.visit_at("a", Does::Write, begin).unwrap();
    first.begins_at(begin);
    first.ended_at(true, begin);
    drop(first);
    let (visits, busy) = fill(&hosts, "a", Does::Write, begin);
    assert_eq!((visits.len(), busy.standing), (4, Standing::Good));
}

#[test]
fn many_that_do_not_answer_have_a_part_of_the_slots_together() {
    let (hosts, begin) = (Arc::new(Hosts::new(64)), Instant::now());
    let of = |name: usize, now| hosts.visit_at(&name.to_string(), Does::Read, now);
    let new: Vec<_> = (0..100).filter_map(|name| of(name, begin).ok()).collect();
    assert_eq!(new.len(), 32);
    for visit in &new {
        visit.begins_at(begin);
    }
    let later = begin + Duration::from_secs(30);
    for visit in &new {
        visit.ended_at(false, later);
    }
    drop(new);
    let silent: Vec<_> = (0..32).filter_map(|name| of(name, later).ok()).collect();
    assert_eq!(silent.len(), 16);
    assert_eq!((32..100).filter_map(|name| of(name, later).ok().map(std::mem::forget)).count(), 16, "for new ones");
}

#[test]
fn who_has_to_wait_comes_back_in_a_moment_of_its_own() {
    let (hosts, begin) = (Arc::new(Hosts::new(8)), Instant::now());
    let (_visits, first) = fill(&hosts, "a", Does::Read, begin);
    let waits: Vec<_> = (0..100).map(|_| hosts.visit_at("a", Does::Read, begin).unwrap_err().wait).collect();
    assert!(waits.windows(2).all(|two| two[0] < two[1]) && first.wait < waits[0], "{waits:?}");
    let many = (0..100_000).map(|_| hosts.visit_at("a", Does::Read, begin).unwrap_err().wait);
    assert!(many.max() <= Some(NEW_LONGEST));
}

#[test]
fn one_account_that_hangs_while_others_are_answered_makes_no_silence() {
    let (hosts, begin) = (Arc::new(Hosts::new(64)), Instant::now());
    let visits = [(); 2].map(|()| hosts.visit_at("a", Does::Read, begin).unwrap());
    for visit in &visits {
        visit.begins_at(begin);
    }
    visits[0].ended_at(true, begin + SLOW * 9);
    visits[1].ended_at(false, begin + SLOW * 10);
    let seen = hosts.with("a", |host, _, _| host.standing(begin + SLOW * 10));
    assert_eq!(seen, Standing::Good);
}

#[test]
fn what_comes_to_nothing_at_once_is_no_silence() {
    let (hosts, begin) = (Arc::new(Hosts::new(64)), Instant::now());
    for _ in 0..10 {
        let visit = hosts.visit_at("a", Does::Read, begin).unwrap();
        visit.begins_at(begin);
        visit.ended_at(false, begin + Duration::from_millis(20));
    }
    let seen = hosts.with("a", |host, _, _| host.standing(begin));
    assert_eq!(seen, Standing::Good, "a refused connection holds no slot");
}

#[test]
fn another_server_that_truly_answers_shows_that_there_is_a_way_out() {
    let (hosts, now) = (Arc::new(Hosts::new(8)), Instant::now());
    let call = |name: &str, answered: bool| {
        let visit = hosts.visit_at(name, Does::Read, now).expect("a slot");
        visit.begins_at(now);
        visit.ended_at(answered, now);
    };
    call("refuses", false);
    assert!(!hosts.hears_others("one"), "a refused connection is no answer");
    call("one", true);
    assert!(!hosts.hears_others("one") && hosts.hears_others("refuses"));
}

#[test]
fn who_says_when_to_come_again_has_answered_however_late() {
    for (after, is_silent) in [(Some(SLOW), false), (None, true)] {
        let (hosts, now) = (Arc::new(Hosts::new(64)), Instant::now());
        let visit = hosts.visit_at("one", Does::Write, now).expect("a slot");
        visit.begins_at(now.checked_sub(SLOW * 2).expect("a machine that runs for a while"));
        visit.ended(&Err::<(), _>(Fault::Retry { after, why: "not ready".to_owned() }));
        drop(visit);
        assert_eq!(fill(&hosts, "one", Does::Write, Instant::now()).0.len() == 1, is_silent, "{after:?}");
    }
}
