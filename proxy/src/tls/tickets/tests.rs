//! Keys, ages, and what is not a ticket.

use super::*;

fn key(fill: u8) -> Key {
    Key::of(&[fill; GIVEN]).unwrap()
}

#[test]
fn the_first_key_seals_and_all_open() {
    let bound = |fills: &[u8], binding| Given {
        keys: Arc::new(TicketKeys(fills.iter().map(|fill| key(*fill)).collect())),
        binding,
    };
    let of = |fills: &[u8]| bound(fills, [7; 32]);
    let ticket = of(&[1, 2]).encrypt(b"session").unwrap();
    assert_eq!(of(&[2, 1]).decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    assert_eq!(of(&[2]).decrypt(&ticket), None);
    assert_eq!(bound(&[1], [8; 32]).decrypt(&ticket), None, "another context has the key");
    assert_ne!(of(&[1]).encrypt(b"session").unwrap(), ticket, "a nonce is used once");
    for spoiled in [&ticket[..ticket.len() - 1], &ticket[1..], &ticket[..NAME], b""] {
        assert_eq!(of(&[1]).decrypt(spoiled), None);
    }
    for place in 0..ticket.len() {
        let mut spoiled = ticket.clone();
        spoiled[place] ^= 1;
        assert_eq!(of(&[1]).decrypt(&spoiled), None, "octet {place}");
    }
}

#[test]
fn a_key_has_eighty_octets() {
    for length in [0, 16, 48, 79, 81, 160] {
        assert!(Key::of(&vec![7; length]).is_none(), "{length}");
    }
}

#[test]
fn what_is_old_is_no_session() {
    let age = Age(Duration::from_secs(60));
    let born = |ago: u64| [&(now() - ago).to_be_bytes()[..], b"session"].concat();
    assert_eq!(age.young(&born(0)).as_deref(), Some(&b"session"[..]));
    assert_eq!(age.young(&born(61)), None);
    assert_eq!(age.young(&Age::stamp(b"session")).as_deref(), Some(&b"session"[..]));
    let ahead = [&(now() + 3600).to_be_bytes()[..], b"session"].concat();
    assert_eq!(age.young(&ahead).as_deref(), Some(&b"session"[..]));
    assert_eq!(age.young(b"short"), None);
}

#[test]
fn a_timeout_is_what_clients_are_told() {
    let minute = Some(Duration::from_secs(60));
    let told =
        |keys: Keys, timeout| Resumption::new(keys, true, timeout).unwrap().ticketer.map(|tickets| tickets.lifetime());
    assert_eq!(told(Keys::Own, minute), Some(60));
    assert_eq!(told(Keys::Given(Arc::new(TicketKeys(vec![key(1)])), [7; 32]), minute), Some(60));
    assert_eq!(told(Keys::None, minute), None);
    let kept = Resumption::new(Keys::None, true, Some(Duration::ZERO)).unwrap().storage;
    assert!(kept.can_cache() && kept.put(b"id".to_vec(), b"session".to_vec()));
    assert_eq!(kept.get(b"id"), None, "it is as old as it may be");
    assert!(!Resumption::new(Keys::None, false, None).unwrap().storage.can_cache());
    assert!(!Resumption::new(Keys::Own, true, None).unwrap().storage.can_cache());
}
