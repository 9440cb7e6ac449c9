//! Tests of `shelf`.

use super::*;

#[test]
fn what_is_made_of_the_same_is_one() {
    static SHELF: Shelf<u32> = Shelf::new();
    let hosts = [("10.0.0.1:80", 0.5), ("10.0.0.2:80", 0.5)];
    let of = |hosts: &[(&'static str, f64)], number| recipe(hosts.iter().copied(), &[number]);
    let one = SHELF.get(of(&hosts, 1), || 1);
    let same = std::thread::spawn(move || SHELF.get(of(&hosts, 1), || 2)).join().expect("no panic");
    assert!(std::ptr::eq(&*one, &*same) && *same == 1);
    let others =
        [of(&hosts, 2), of(&[hosts[1], hosts[0]], 1), of(&[("10.0.0.1:80", 0.4), hosts[1]], 1), of(&hosts[..1], 1)];
    for (number, other) in (3..).zip(others) {
        assert_eq!(*SHELF.get(other, || number), number);
    }
    drop((one, same));
    assert_eq!(*SHELF.get(of(&hosts, 1), || 9), 9, "nobody held it");
    assert_eq!(SHELF.made.lock().expect("no panic").len(), 1, "and nothing of what is gone is left");
}
