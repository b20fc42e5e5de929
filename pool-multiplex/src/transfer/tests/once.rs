//! A blob is taken once.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::super::ledger::Ledger;
use super::super::{Blob, Exporter, Import, Importer, TransferError, UnixSeconds};
use super::{LIFETIME, NOW, SKEW, WHO, keys, sealed, session};

fn open(importer: &Importer, blob: &Blob, now: u64) -> Result<Import, TransferError> {
    importer.open(blob.as_bytes(), &keys(), WHO, UnixSeconds(now))
}

/// Valid for so many seconds from `NOW` on, for an importer without skew.
fn blob(id: u128, seconds: u64) -> Blob {
    let exporter = Exporter::new().lifetime(Duration::from_secs(seconds));
    exporter.seal(&session(), &keys(), id).unwrap()
}

fn without_skew(imports: usize) -> Importer {
    Importer::new().skew(Duration::ZERO).remember(imports)
}

#[test]
fn a_second_import_is_refused_until_the_blob_has_expired_and_then_for_that() {
    let importer = Importer::new();
    let end = NOW.0 + LIFETIME + SKEW;
    drop(open(&importer, &sealed(), NOW.0).unwrap().confirm());
    for now in [NOW.0, end - 1] {
        let error = open(&importer, &sealed(), now).unwrap_err();
        assert_eq!(error, TransferError::AlreadyImported);
    }
    let error = open(&importer, &sealed(), end).unwrap_err();
    assert!(matches!(error, TransferError::Expired { .. }), "{error}");
}

#[test]
fn an_import_that_came_to_nothing_leaves_the_blob_as_it_was() {
    let importer = Importer::new();
    let import = open(&importer, &sealed(), NOW.0).unwrap();
    let error = open(&importer, &sealed(), NOW.0).unwrap_err();
    assert_eq!(error, TransferError::ImportUnderWay);
    drop(import);
    assert_eq!(importer.remembered(), 0);
    assert_eq!(
        open(&importer, &sealed(), NOW.0).unwrap().confirm(),
        session()
    );
}

#[test]
fn of_imports_at_the_same_time_exactly_one_wins() {
    const THREADS: usize = 8;
    let (importer, barrier) = (Importer::new(), Barrier::new(THREADS));
    for id in 0..50 {
        let blob = blob(id, LIFETIME);
        let import = || {
            barrier.wait();
            open(&importer, &blob, NOW.0).map(Import::confirm)
        };
        let won = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(import)).collect();
            let results = threads.into_iter().map(|thread| thread.join().unwrap());
            results
                .filter(|result| match result {
                    Ok(_) => true,
                    Err(TransferError::AlreadyImported | TransferError::ImportUnderWay) => false,
                    Err(other) => panic!("{other}"),
                })
                .count()
        });
        assert_eq!(won, 1, "blob {id}");
    }
    assert_eq!(importer.remembered(), 50);
}

#[test]
fn looking_a_blob_up_and_keeping_it_are_one_step() {
    const BLOBS: u128 = 5_000;
    for _ in 0..10 {
        let (ledger, barrier) = (Ledger::new(BLOBS as usize), Barrier::new(4));
        let race = || {
            barrier.wait();
            let reserve = |id| ledger.reserve((UnixSeconds(NOW.0 + 1), id), NOW).ok();
            (0..BLOBS).filter_map(reserve).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(race)).collect();
            let won: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            assert_eq!(won.iter().map(Vec::len).sum::<usize>(), BLOBS as usize);
        });
    }
}

#[test]
fn a_full_memory_refuses_and_forgets_nothing_early() {
    let importer = without_skew(2);
    let (first, second, third) = (blob(1, 10), blob(2, 20), blob(3, 300));
    drop(open(&importer, &first, NOW.0).unwrap().confirm());
    drop(open(&importer, &second, NOW.0).unwrap().confirm());
    let full = TransferError::LedgerFull {
        remembered: 2,
        until: UnixSeconds(NOW.0 + 10),
    };
    for now in [NOW.0, NOW.0 + 9] {
        assert_eq!(open(&importer, &third, now).unwrap_err(), full);
        assert_eq!(
            open(&importer, &first, now).unwrap_err(),
            TransferError::AlreadyImported
        );
    }
    drop(open(&importer, &third, NOW.0 + 10).unwrap().confirm());
    let error = open(&importer, &second, NOW.0 + 10).unwrap_err();
    assert_eq!(error, TransferError::AlreadyImported);
    assert_eq!(importer.remembered(), 2);
}

#[test]
fn an_import_under_way_needs_room_too() {
    let importer = without_skew(1);
    let import = open(&importer, &blob(1, 10), NOW.0).unwrap();
    let error = open(&importer, &blob(2, 10), NOW.0).unwrap_err();
    assert!(matches!(error, TransferError::LedgerFull { .. }), "{error}");
    drop(import);
    assert!(open(&importer, &blob(2, 10), NOW.0).is_ok());
    let error = open(&without_skew(0), &blob(1, 10), NOW.0).unwrap_err();
    assert!(
        matches!(error, TransferError::LedgerFull { remembered: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_clock_that_goes_back_brings_nothing_back() {
    let importer = without_skew(10);
    let (first, other, later) = (blob(1, 10), blob(2, 11), blob(3, 300));
    drop(open(&importer, &first, NOW.0).unwrap().confirm());
    drop(open(&importer, &later, NOW.0 + 10).unwrap().confirm());
    assert_eq!(importer.remembered(), 1, "the first was forgotten");
    let error = open(&importer, &first, NOW.0).unwrap_err();
    assert!(matches!(error, TransferError::Expired { .. }), "{error}");
    assert!(
        open(&importer, &other, NOW.0).is_ok(),
        "and nothing more is refused than must be"
    );
}

#[test]
fn an_import_that_ends_after_the_expiry_is_one_and_the_only_one() {
    for confirmed in [true, false] {
        let importer = without_skew(10);
        let import = open(&importer, &blob(1, 10), NOW.0 + 9).unwrap();
        drop(
            open(&importer, &blob(2, 300), NOW.0 + 10)
                .unwrap()
                .confirm(),
        );
        assert_eq!(
            importer.remembered(),
            1,
            "expired ones are forgotten, also under way"
        );
        if confirmed {
            assert_eq!(import.confirm(), session());
        } else {
            drop(import);
        }
        assert_eq!(importer.remembered(), 1);
        let error = open(&importer, &blob(1, 10), NOW.0 + 9).unwrap_err();
        assert!(matches!(error, TransferError::Expired { .. }), "{error}");
    }
}

#[test]
fn what_has_expired_is_forgotten_in_steps_that_outrun_what_is_added() {
    let importer = without_skew(1000);
    for id in 0..200 {
        drop(open(&importer, &blob(id, 10), NOW.0).unwrap().confirm());
    }
    let mut remembered = Vec::new();
    for id in 0..4 {
        drop(
            open(&importer, &blob(id, 300), NOW.0 + 10)
                .unwrap()
                .confirm(),
        );
        remembered.push(importer.remembered());
    }
    assert_eq!(remembered, [137, 74, 11, 4]);
}

#[test]
fn a_look_takes_nothing() {
    let importer = Importer::new();
    for _ in 0..2 {
        let seen = importer.peek(sealed().as_bytes(), &keys(), WHO, NOW);
        assert_eq!(seen, Ok(session()));
    }
    drop(open(&importer, &sealed(), NOW.0).unwrap().confirm());
    assert_eq!(importer.remembered(), 1);
    let late = UnixSeconds(NOW.0 + LIFETIME + SKEW);
    assert!(
        importer
            .peek(sealed().as_bytes(), &keys(), WHO, late)
            .is_err()
    );
}
