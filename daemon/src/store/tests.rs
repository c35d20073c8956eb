//! Tests of the state folder: crashes at every byte, every byte flipped, and the
//! mistakes a person can make with folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

const RECEIPT: u8 = 1;
const SHARE: u8 = 2;
const ANCHOR: u8 = 3;
const TRIAL: u8 = JOURNAL_KIND_MAX;

const SWARM: SwarmId = SwarmId::new([7; 32]);

/// Payload number `n`: long enough that a length has more than one interesting bit.
fn payload(n: u64) -> Vec<u8> {
    let length = 1 + (n * 37) % 90;
    (0..length).map(|at| (n * 31 + at) as u8).collect()
}

fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    (place, state)
}

/// A folder with `items` payloads in the log and `records` in the journal.
fn filled(state: &Path, items: u64, records: u64) {
    let (mut store, opened) = Store::open(state, &SWARM).unwrap();
    assert!(opened.items.is_empty() && opened.damage.is_empty() && opened.may_sign);
    for n in 0..items {
        store.append_items(&[payload(n)]).unwrap();
        store.commit().unwrap();
    }
    for n in 0..records {
        store.journal(RECEIPT, &payload(n)).unwrap();
    }
}

/// The folder's log and journal in another place, without lock and index.
fn copied(state: &Path, to: &Path) {
    fs::create_dir_all(to.join("ledger")).unwrap();
    for segment in log::segments(&log::folder(state)).unwrap() {
        let name = segment.path.file_name().unwrap();
        fs::copy(&segment.path, to.join("ledger").join(name)).unwrap();
    }
    fs::copy(journal::file(state), journal::file(to)).unwrap();
}

fn first_segment(state: &Path) -> PathBuf {
    log::folder(state).join("00000001.seg")
}

/// Whether `found` is `expected` with some left out.
fn is_subsequence(found: &[Vec<u8>], expected: &[Vec<u8>]) -> bool {
    let mut rest = expected.iter();
    found.iter().all(|item| rest.any(|other| other == item))
}

#[test]
fn what_was_committed_comes_back_in_order() {
    let (_place, state) = place();
    filled(&state, 20, 3);
    let (mut store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items, (0..20).map(payload).collect::<Vec<_>>());
    let records: Vec<_> = (0..3).map(|n| (RECEIPT, payload(n))).collect();
    assert_eq!(opened.journal, records);
    assert_eq!(opened.damage, []);
    assert!(opened.may_sign);
    store.append_items(&[payload(20), payload(21)]).unwrap();
    store.journal(ANCHOR, b"anchor").unwrap();
    store.commit().unwrap();
    drop(store);
    let (_store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items, (0..22).map(payload).collect::<Vec<_>>());
    assert_eq!(opened.journal[3], (ANCHOR, b"anchor".to_vec()));
}

#[test]
fn what_was_not_committed_is_not_on_disk() {
    let (_place, state) = place();
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    store.append_items(&[payload(0)]).unwrap();
    assert_eq!(inspect(&state).unwrap().items, []);
    store.commit().unwrap();
    let found = inspect(&state).unwrap();
    assert_eq!(found.items, [(first_segment(&state), 48, payload(0))]);
    assert_eq!(found.swarm, Some(SWARM));
    assert_eq!(found.damage, []);
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_record() {
    let (_place, state) = place();
    filled(&state, 8, 1);
    let bytes = fs::read(first_segment(&state)).unwrap();
    let mut ends = vec![48];
    for n in 0..8 {
        ends.push(ends[ends.len() - 1] + 9 + payload(n).len());
    }
    assert_eq!(ends[8], bytes.len());
    for cut in 0..bytes.len() {
        let (_place, copy) = place();
        copied(&state, &copy);
        fs::write(first_segment(&copy), &bytes[..cut]).unwrap();
        let (mut store, opened) = Store::open(&copy, &SWARM).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
        assert_eq!(opened.items, (0..whole as u64).map(payload).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(opened.damage.is_empty(), ends.contains(&cut), "cut at {cut}: {:?}", opened.damage);
        // The store goes on where the last whole record ends.
        store.append_items(&[b"next".to_vec()]).unwrap();
        store.commit().unwrap();
        drop(store);
        let (_store, opened) = Store::open(&copy, &SWARM).unwrap();
        assert_eq!(opened.items.len(), whole + 1, "cut at {cut}");
        assert_eq!(opened.items[whole], b"next", "cut at {cut}");
        assert_eq!(opened.damage, [], "cut at {cut}");
    }
}

#[test]
fn a_journal_cut_at_any_byte_keeps_every_whole_record_and_goes_on() {
    let (_place, state) = place();
    filled(&state, 0, 4);
    let bytes = fs::read(journal::file(&state)).unwrap();
    for cut in 0..bytes.len() {
        let (_place, copy) = place();
        copied(&state, &copy);
        fs::write(journal::file(&copy), &bytes[..cut]).unwrap();
        let (mut store, opened) = Store::open(&copy, &SWARM).unwrap();
        assert!(opened.may_sign, "cut at {cut}: {:?}", opened.damage);
        let whole = opened.journal.len();
        assert!(whole < 4, "cut at {cut}");
        for (n, (kind, found)) in opened.journal.iter().enumerate() {
            assert_eq!((*kind, found), (RECEIPT, &payload(n as u64)), "cut at {cut}");
        }
        store.journal(SHARE, b"next").unwrap();
        drop(store);
        let (_store, opened) = Store::open(&copy, &SWARM).unwrap();
        assert_eq!(opened.journal.len(), whole + 1, "cut at {cut}");
        assert_eq!(opened.damage, [], "cut at {cut}");
    }
}

#[test]
fn every_byte_of_the_log_flipped_is_reported_and_yields_no_wrong_record() {
    let (_place, state) = place();
    filled(&state, 6, 1);
    let expected: Vec<_> = (0..6).map(payload).collect();
    let bytes = fs::read(first_segment(&state)).unwrap();
    for at in 0..bytes.len() {
        let mask = [0x01, 0x10, 0xff][at % 3];
        let (_place, copy) = place();
        copied(&state, &copy);
        let mut bad = bytes.clone();
        bad[at] ^= mask;
        fs::write(first_segment(&copy), &bad).unwrap();
        let seen = inspect(&copy).unwrap();
        let (_store, opened) = Store::open(&copy, &SWARM).unwrap();
        assert!(!opened.damage.is_empty(), "byte {at} ^ {mask:#x} went unnoticed");
        assert_eq!(seen.damage, opened.damage, "byte {at} ^ {mask:#x}");
        assert!(is_subsequence(&opened.items, &expected), "byte {at} ^ {mask:#x}: a wrong record");
        let lost = if at < 48 { 0 } else { 1 };
        assert_eq!(opened.items.len(), 6 - lost, "byte {at} ^ {mask:#x}");
        assert!(opened.may_sign);
    }
}

#[test]
fn every_byte_of_the_journal_flipped_stops_signing() {
    let (_place, state) = place();
    filled(&state, 0, 4);
    let expected: Vec<_> = (0..4).map(payload).collect();
    let bytes = fs::read(journal::file(&state)).unwrap();
    for at in 0..bytes.len() {
        let mask = [0x01, 0x10, 0xff][at % 3];
        let (_place, copy) = place();
        copied(&state, &copy);
        let mut bad = bytes.clone();
        bad[at] ^= mask;
        fs::write(journal::file(&copy), &bad).unwrap();
        let (mut store, opened) = Store::open(&copy, &SWARM).unwrap();
        assert!(!opened.may_sign, "byte {at} ^ {mask:#x} went unnoticed");
        assert!(!opened.damage.is_empty());
        let found: Vec<_> = opened.journal.into_iter().map(|(_, payload)| payload).collect();
        assert!(is_subsequence(&found, &expected), "byte {at} ^ {mask:#x}: a wrong record");
        let refused = store.journal(RECEIPT, b"more");
        assert!(matches!(refused, Err(StoreError::JournalDamaged { .. })), "byte {at} ^ {mask:#x}");
        assert_eq!(fs::read(journal::file(&copy)).unwrap(), bad, "byte {at} ^ {mask:#x}");
        // The log is another file and works on.
        store.append_items(&[payload(9)]).unwrap();
        store.commit().unwrap();
    }
}

/// Random writes, crashes that cut or zero what was not synced, and damage; the model
/// is a list. A failing seed is printed and replays.
#[test]
fn random_crashes_lose_nothing_that_was_committed() {
    for seed in 0..40_u64 {
        println!("seed {seed}");
        let mut random = Random(seed ^ 0x5851_f42d_4c95_7f2d);
        let (_place, state) = place();
        let mut committed: Vec<Vec<u8>> = Vec::new();
        let mut signed: Vec<Vec<u8>> = Vec::new();
        let mut next = 0;
        for _ in 0..8 {
            let (mut store, opened) = Store::open(&state, &SWARM).unwrap();
            assert_eq!(opened.items, committed, "seed {seed}");
            let journal: Vec<_> = opened.journal.into_iter().map(|(_, payload)| payload).collect();
            assert_eq!(journal, signed, "seed {seed}");
            let mut waiting = Vec::new();
            for _ in 0..random.below(12) {
                match random.below(4) {
                    0 => {
                        store.commit().unwrap();
                        committed.append(&mut waiting);
                    }
                    1 => {
                        store.journal(TRIAL, &payload(next)).unwrap();
                        signed.push(payload(next));
                        next += 1;
                    }
                    _ => {
                        store.append_items(&[payload(next)]).unwrap();
                        waiting.push(payload(next));
                        next += 1;
                    }
                }
            }
            drop(store);
            // What a crash may leave behind the synced bytes: the start of a record, or
            // a stretch that was given room and never written.
            for file in [first_segment(&state), journal::file(&state)] {
                let mut bytes = fs::read(&file).unwrap();
                let mut torn = Vec::new();
                record::encode(1, &payload(1_000 + next), &mut torn);
                bytes.extend_from_slice(&torn[..random.below(torn.len() as u64) as usize]);
                fs::write(&file, bytes).unwrap();
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let (_place, state) = place();
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    let big = vec![5; 64 << 10];
    let batch = vec![big.clone(); 100];
    for _ in 0..6 {
        store.append_items(&batch).unwrap();
        store.commit().unwrap();
    }
    drop(store);
    let names: Vec<_> = log::segments(&log::folder(&state)).unwrap().into_iter().map(|s| s.number).collect();
    assert_eq!(names, [1, 2]);
    let length = |n: u32| fs::metadata(log::folder(&state).join(format!("{n:08}.seg"))).unwrap().len();
    assert_eq!(length(1), 48 + 300 * (9 + 65_536));
    assert_eq!(length(2), 48 + 300 * (9 + 65_536));
    let (_store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items.len(), 600);
    assert_eq!(opened.damage, []);
}

#[test]
fn damage_in_an_old_segment_stays_and_is_reported_each_time() {
    let (_place, state) = place();
    filled(&state, 3, 0);
    let second = log::folder(&state).join("00000002.seg");
    fs::copy(first_segment(&state), &second).unwrap();
    let bytes = fs::read(first_segment(&state)).unwrap();
    fs::write(first_segment(&state), &bytes[..bytes.len() - 1]).unwrap();
    for _ in 0..2 {
        let (_store, opened) = Store::open(&state, &SWARM).unwrap();
        assert_eq!(opened.items.len(), 5);
        assert_eq!(opened.damage.len(), 1);
        assert_eq!(opened.damage[0].what, What::CutOff);
        assert_eq!(opened.damage[0].file, first_segment(&state));
    }
}

#[test]
fn a_missing_segment_and_a_missing_journal_are_reported() {
    let (_place, state) = place();
    filled(&state, 3, 1);
    fs::rename(first_segment(&state), log::folder(&state).join("00000003.seg")).unwrap();
    fs::remove_file(journal::file(&state)).unwrap();
    let (_store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items.len(), 3);
    let missing: Vec<_> = opened.damage.iter().map(|damage| (damage.file.clone(), damage.what)).collect();
    assert_eq!(missing, [(first_segment(&state), What::Missing), (journal::file(&state), What::Missing)]);
}

#[test]
fn a_folder_of_another_swarm_is_left_alone() {
    let (_place, state) = place();
    filled(&state, 2, 1);
    let torn = [fs::read(first_segment(&state)).unwrap(), vec![1, 2, 3]].concat();
    fs::write(first_segment(&state), &torn).unwrap();
    let other = SwarmId::new([8; 32]);
    let error = Store::open(&state, &other).unwrap_err();
    assert!(matches!(error, StoreError::OtherSwarm { found: SWARM, expected, .. } if expected == other));
    let text = format!(
        "the state folder belongs to swarm 07070707, not to 08080808: {}",
        first_segment(&state).display()
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(fs::read(first_segment(&state)).unwrap(), torn);
    fs::remove_file(first_segment(&state)).unwrap();
    let error = Store::open(&state, &other).unwrap_err();
    assert!(matches!(error, StoreError::OtherSwarm { path, .. } if path == journal::file(&state)));
}

#[test]
fn a_folder_of_another_version_is_left_alone() {
    let (_place, state) = place();
    filled(&state, 2, 1);
    let mut bytes = fs::read(first_segment(&state)).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    fs::write(first_segment(&state), &bytes).unwrap();
    assert!(matches!(Store::open(&state, &SWARM), Err(StoreError::OtherVersion { version: 2, .. })));
    assert!(matches!(inspect(&state), Err(StoreError::OtherVersion { version: 2, .. })));
    assert_eq!(fs::read(first_segment(&state)).unwrap(), bytes);
}

#[test]
fn a_locked_folder_is_refused_until_it_is_free() {
    let (_place, state) = place();
    let (store, _) = Store::open(&state, &SWARM).unwrap();
    let error = Store::open(&state, &SWARM).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert_eq!(error.hint(), "stop the other swarmd, or give this one its own --state-dir");
    drop(store);
    Store::open(&state, &SWARM).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (place, _) = place();
    let file = place.path().join("file");
    fs::write(&file, b"").unwrap();
    for state in [file.join("state"), PathBuf::from("/sys/swarmd-test")] {
        let error = Store::open(&state, &SWARM).unwrap_err();
        assert!(matches!(&error, StoreError::NotWritable { path, .. } if *path == state), "{error}");
        assert_eq!(error.hint(), "choose a folder that you may write with node.state_dir or --state-dir");
    }
}

#[test]
fn faults_are_told_apart_by_what_can_be_done() {
    let fault = |kind: std::io::ErrorKind| StoreError::fault(Path::new("f"), kind.into());
    let full = fault(std::io::ErrorKind::StorageFull);
    assert!(matches!(full, StoreError::DiskFull { .. }) && full.is_fault());
    let quota = fault(std::io::ErrorKind::QuotaExceeded);
    assert!(matches!(quota, StoreError::DiskFull { .. }) && quota.is_fault());
    let read_only = fault(std::io::ErrorKind::ReadOnlyFilesystem);
    assert!(matches!(read_only, StoreError::ReadOnly { .. }) && read_only.is_fault());
    let device = StoreError::fault(Path::new("f"), rustix::io::Errno::IO.into());
    assert!(matches!(device, StoreError::Device { .. }) && device.is_fault());
    assert!(!StoreError::Refusing.is_fault());
}

#[test]
fn a_fault_refuses_everything_until_retry_and_loses_nothing() {
    let (_place, state) = place();
    filled(&state, 1, 0);
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    // A segment that is full makes the next commit open a new file, and the folder in
    // its place makes that fail as a failing disk would.
    let big = vec![vec![5; 64 << 10]; 128];
    for _ in 0..3 {
        store.append_items(&big[..127]).unwrap();
        store.commit().unwrap();
    }
    let next = log::folder(&state).join("00000002.seg");
    fs::create_dir(&next).unwrap();
    store.append_items(&[payload(1)]).unwrap();
    let error = store.commit().unwrap_err();
    assert!(error.is_fault(), "{error}");
    assert!(store.is_refusing());
    assert!(matches!(store.append_items(&[payload(2)]), Err(StoreError::Refusing)));
    assert!(matches!(store.journal(RECEIPT, b"r"), Err(StoreError::Refusing)));
    assert!(matches!(store.commit(), Err(StoreError::Refusing)));
    assert!(store.retry().unwrap_err().is_fault());
    fs::remove_dir(&next).unwrap();
    store.retry().unwrap();
    store.append_items(&[payload(2)]).unwrap();
    store.commit().unwrap();
    drop(store);
    let (_store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items[opened.items.len() - 2..], [payload(1), payload(2)]);
    assert_eq!(opened.damage, []);
}

#[test]
fn records_out_of_bounds_are_not_taken() {
    let (_place, state) = place();
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    for bytes in [0, (64 << 10) + 1] {
        let refused = store.append_items(&[payload(1), vec![0; bytes]]);
        assert!(matches!(refused, Err(StoreError::TooLong { bytes: found }) if found == bytes));
        assert!(matches!(store.journal(SHARE, &vec![0; bytes]), Err(StoreError::TooLong { .. })));
    }
    let refused = store.append_items(&vec![vec![0; 64 << 10]; 128]);
    assert!(matches!(refused, Err(StoreError::Uncommitted { bytes: 0 })));
    store.commit().unwrap();
    assert_eq!(inspect(&state).unwrap().items, []);
}

#[test]
fn a_damaged_index_is_rebuilt_and_the_log_is_untouched() {
    let (_place, state) = place();
    filled(&state, 3, 1);
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(*store.index().state(), IndexState::New);
    drop(store);
    for entry in fs::read_dir(state.join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, vec![0xa5; 4_096]).unwrap();
        }
    }
    let (mut store, opened) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(opened.items.len(), 3);
    assert!(matches!(store.index().state(), IndexState::MovedAside { .. }), "{:?}", store.index().state());
    store.index().rebuild([4; 32], [Row::put(Table::Heads, b"a", b"1")], |_| {}).unwrap();
    drop(store);
    let (mut store, _) = Store::open(&state, &SWARM).unwrap();
    assert_eq!(*store.index().state(), IndexState::Kept);
    assert_eq!(store.index().digest(), Ok([4; 32]));
    let rows: BTreeMap<_, _> = store.index().rows(Table::Heads).unwrap().into_iter().collect();
    assert_eq!(rows, BTreeMap::from([(b"a".to_vec(), b"1".to_vec())]));
}
