use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{MessageId, Timestamp};

use super::{Class, SegmentWriter, path, read};
use crate::{BodyRef, StoreError};

fn bodies(sizes: &[usize]) -> Vec<(MessageId, Bytes)> {
    sizes
        .iter()
        .map(|size| {
            (
                MessageId::new(Timestamp::default()),
                Bytes::from(vec![b'x'; *size]),
            )
        })
        .collect()
}

fn append(writer: &mut SegmentWriter, sizes: &[usize]) -> Vec<BodyRef> {
    append_at(writer, Class::Queue, sizes, Timestamp::default())
}

fn append_at(
    writer: &mut SegmentWriter,
    class: Class,
    sizes: &[usize],
    now: Timestamp,
) -> Vec<BodyRef> {
    let (places, append) = writer.place(class, bodies(sizes), now);
    writer.written(append.run().unwrap());
    places
}

#[test]
fn bodies_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let sizes = [0, 1, 2_048, 70_000];
    let places = append(&mut writer, &sizes);
    for (place, size) in places.iter().zip(sizes) {
        assert_eq!(read(folder.path(), *place).unwrap(), vec![b'x'; size]);
    }
    let many = vec![3; 3_000];
    let places = append(&mut writer, &many);
    assert_eq!(read(folder.path(), places[2_999]).unwrap(), "xxx");
}

#[test]
fn a_full_segment_is_followed_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 100, &HashSet::new()).unwrap();
    let first = append(&mut writer, &[200])[0];
    let second = append(&mut writer, &[1])[0];
    assert!(first.segment < second.segment);
    assert_eq!(read(folder.path(), second).unwrap(), "x");
}

#[test]
fn what_is_kept_has_files_of_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let begun = Timestamp::default();
    let mut kept = |hours| {
        let now = begun.after(Duration::from_hours(hours));
        append_at(&mut writer, Class::Kept, &[1], now)[0].segment
    };
    let first = kept(0);
    assert_eq!(kept(23), first);
    let second = kept(24);
    assert!(second > first);
    assert_eq!(writer.left(), [first]);
    let queued = append(&mut writer, &[1])[0];
    assert_ne!(queued.segment, second);
    writer.end_kept(&[second, queued.segment]);
    assert!(!writer.is_current(second));
    assert!(writer.is_current(queued.segment));
}

#[test]
fn every_flipped_octet_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let place = append(&mut writer, &[50])[0];
    let file = path(folder.path(), place.segment);
    let sound = fs::read(&file).unwrap();
    // What lies behind it is nobody's.
    let end = super::HEADER_LEN + 50;
    for at in 0..end {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x20;
        fs::write(&file, &damaged).unwrap();
        assert!(
            matches!(read(folder.path(), place), Err(StoreError::Corrupt(_))),
            "{at}"
        );
        fs::write(&file, &sound[..at]).unwrap();
        assert!(
            matches!(read(folder.path(), place), Err(StoreError::Corrupt(_))),
            "cut at {at}"
        );
    }
}

#[test]
fn a_new_process_never_appends_to_an_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let kept = append(&mut writer, &[5])[0];
    drop(writer);
    let mut writer =
        SegmentWriter::open(folder.path(), 1 << 20, &HashSet::from([kept.segment])).unwrap();
    let orphan = append(&mut writer, &[5])[0];
    drop(writer);

    let referred_to = HashSet::from([kept.segment]);
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &referred_to).unwrap();
    let fresh = append(&mut writer, &[5])[0];
    assert!(fresh.segment > orphan.segment);
    assert!(read(folder.path(), kept).is_ok());
    assert!(!path(folder.path(), orphan.segment).exists());
}

#[test]
fn room_is_made_ahead_for_small_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let mut places = append(&mut writer, &[5]);
    let file = path(folder.path(), places[0].segment);
    let length = || fs::metadata(&file).unwrap().len();
    let with_room = length();
    places.extend(append(&mut writer, &[2_000]));
    assert_eq!(length(), with_room, "there was room for the second batch");

    let large = [200_000, 200_000];
    places.extend(append(&mut writer, &large));
    let last = places.last().unwrap();
    let end = last.offset + super::HEADER_LEN as u64 + u64::from(last.length);
    assert_eq!(length(), end, "a large batch has no room behind it");

    places.extend(append(&mut writer, &[7, 8]));
    let last = *places.last().unwrap();
    writer.close();
    let end = last.offset + super::HEADER_LEN as u64 + u64::from(last.length);
    assert_eq!(length(), end, "nothing is left behind the last body");
    for place in places {
        let body = read(folder.path(), place).unwrap();
        assert_eq!(body.len(), place.length as usize);
    }
}

#[test]
fn a_failed_append_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::open(folder.path(), 1 << 20, &HashSet::new()).unwrap();
    let sound = append(&mut writer, &[5])[0];
    let file = path(folder.path(), sound.segment);
    let length = fs::metadata(&file).unwrap().len();

    // A file that can only be read takes no octet.
    let (_, append_to_closed) = writer.place(Class::Queue, bodies(&[7]), Timestamp::default());
    let failure = append_to_closed
        .with_file(fs::File::open(&file).unwrap())
        .run()
        .unwrap_err();
    writer.failed(&failure);
    assert!(fs::metadata(&file).unwrap().len() <= length);
    assert_eq!(read(folder.path(), sound).unwrap(), "xxxxx");

    let after = append(&mut writer, &[3])[0];
    assert_eq!(read(folder.path(), after).unwrap(), "xxx");
}
