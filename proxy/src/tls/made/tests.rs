//! What is made of the same octets is made once.

use super::*;

#[test]
fn the_same_is_made_once_while_it_is_held() {
    let pool = Pool::default();
    let make = |octets: &[u8], place: &str| pool.of(&[octets, b"key"], &[place.to_owned()], || Ok(octets.to_vec()));
    let first = make(b"a", "/a").unwrap();
    assert!(Arc::ptr_eq(&first, &make(b"a", "/a").unwrap()));
    assert!(!Arc::ptr_eq(&first, &make(b"a", "/b").unwrap()), "another place is shown for it");
    assert!(!Arc::ptr_eq(&first, &make(b"b", "/a").unwrap()));
    drop(first);
    assert!(pool.lock().values().all(|made| made.strong_count() == 0));
    for number in 0..1000_u32 {
        drop(make(&number.to_le_bytes(), "/a").unwrap());
    }
    assert!(pool.lock().len() < 64, "nothing is kept of what nobody holds");
}

#[test]
fn where_one_text_ends_and_the_next_begins_counts() {
    let pool = Pool::<u8>::default();
    let one = pool.of(&[b"ab", b"c"], &[], || Ok(1)).unwrap();
    let other = pool.of(&[b"a", b"bc"], &[], || Ok(2)).unwrap();
    assert_eq!((*one, *other), (1, 2));
}

#[test]
fn what_is_no_good_is_not_kept() {
    let pool = Pool::<u8>::default();
    assert_eq!(pool.of(&[b"a"], &[], || Err("broken".into())).unwrap_err(), "broken");
    assert_eq!(*pool.of(&[b"a"], &[], || Ok(1)).unwrap(), 1);
}
